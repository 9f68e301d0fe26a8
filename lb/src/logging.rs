//! JSON lines on standard output. Nothing here decides what is logged, except that libraries stay quiet: at their debug
//! levels they print whole requests, and requests hold passwords and tokens.

use std::panic;
use std::sync::Arc;

use log::{LevelFilter as LogLevel, Log, Metadata, Record};
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Registry, reload};

use crate::metrics::{ClientFault, Metrics};

/// Sets the least severe lines that are written.
pub struct LevelSwitch(reload::Handle<Targets, Registry>);

impl LevelSwitch {
    /// From now on.
    pub fn set(&self, level: Level) {
        // Fails only when there is no subscriber any more, and then there is nothing to set.
        let _ = self.0.reload(targets(level));
    }
}

fn targets(level: Level) -> Targets {
    let level = LevelFilter::from_level(level);
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("access", level)
        .with_target("lb", level)
        .with_target("panic", level)
}

/// Starts logging. Called once; a second call changes nothing.
pub fn start(level: Level, metrics: Arc<Metrics>) -> LevelSwitch {
    let (filter, switch) = reload::Layer::new(targets(level));
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false);
    // Both fail only when a logger is installed already.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(filter).with(lines));
    if log::set_boxed_logger(Box::new(Bridge { metrics })).is_ok() {
        log::set_max_level(LogLevel::Warn);
    }
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        // Only fixed texts: a formatted one could quote what a client sent.
        let reason = panic
            .payload()
            .downcast_ref::<&'static str>()
            .copied()
            .unwrap_or_default();
        tracing::error!(target: "panic", place, reason, "a task panicked");
    }));
    LevelSwitch(switch)
}

/// Lines of libraries that use `log`. What clients do wrong is counted instead: a line for each would let anybody fill
/// the disk.
struct Bridge {
    metrics: Arc<Metrics>,
}

impl Log for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        match client_fault(record) {
            Some(fault) => self.metrics.client_fault(fault),
            // Fails only when there is no subscriber, and then there is nowhere to say so.
            None => drop(tracing_log::format_trace(record)),
        }
    }

    fn flush(&self) {}
}

fn client_fault(record: &Record<'_>) -> Option<ClientFault> {
    if !record.target().starts_with("pingora") {
        return None;
    }
    let text = record.args().to_string();
    if text.starts_with("Downstream handshake") || text.starts_with("H2 handshake") {
        Some(ClientFault::Handshake)
    } else if text.starts_with("Fail to proxy") || text.starts_with("failed to send error response") {
        Some(ClientFault::Request)
    } else {
        None
    }
}
