//! What the log keeps of who asks: address, program, language, the remembered device, the name of the request.

use super::Auth;
use crate::entropy;
use crate::http::context::RequestContext;
use auth_core::command::{NewDevice, NewSession};
use auth_core::device::DeviceProof;
use auth_core::entry::Client;
use auth_core::ids::{DeviceId, SessionId};

/// Programs by which a device is called, by a part of `User-Agent`; the first that is there counts.
const PROGRAMS: [(&str, &str); 5] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
/// Systems, likewise.
const SYSTEMS: [(&str, &str); 6] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

impl Auth {
    /// Who asks.
    pub(super) fn client(&self, ctx: &RequestContext) -> Client {
        Client {
            address: ctx.client_address.to_string(),
            device: self.device_proof(ctx),
            agent: ctx.agent.clone(),
            language: Some(ctx.language.to_owned()),
            idempotency: ctx.idempotency.as_deref().cloned(),
        }
    }

    /// The device whose token the request shows, if the token is one of ours. Whether it still counts is for the core.
    pub(super) fn device_proof(&self, ctx: &RequestContext) -> Option<DeviceProof> {
        let (device, generation) = self.inner.ring.read_device_token(ctx.device_token.as_deref()?)?;
        Some(DeviceProof {
            device: DeviceId(device),
            generation,
        })
    }

    /// A session to be started. A browser becomes a known device, which keeps strangers from locking its owner out; other
    /// programs only when they ask for it.
    pub(super) fn new_session(&self, ctx: &RequestContext, remember_device: bool) -> NewSession {
        let device = (ctx.is_browser || remember_device).then(|| NewDevice {
            device: DeviceId(entropy::bytes()),
            name: device_name(ctx.agent.as_deref().unwrap_or_default()),
            remembered: remember_device,
        });
        NewSession {
            session: SessionId(entropy::bytes()),
            seconds: self.inner.session_seconds,
            idle_seconds: self.inner.session_idle_seconds,
            device,
        }
    }
}

/// A name that its owner recognises, from what a program calls itself.
fn device_name(agent: &str) -> String {
    let find = |names: &[(&str, &'static str)]| {
        names
            .iter()
            .find(|(part, _)| agent.contains(part))
            .map(|(_, name)| *name)
    };
    match (find(&PROGRAMS), find(&SYSTEMS)) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "device".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_called_by_program_and_system() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        assert_eq!(device_name(firefox), "Firefox on Linux");
        let edge =
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 Edg/120.0";
        assert_eq!(device_name(edge), "Edge on Windows");
        assert_eq!(device_name("curl/8.0"), "device");
    }
}
