//! How many files the process may have open. Every connection is one, and most systems allow a thousand at first.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;
use crate::limits::{NODE_CONNECTIONS_IDLE_MAX, OPEN_FILES_BESIDE_CONNECTIONS};

/// Asks for as many as the system lets this process have, and tells how many that are; none for any number.
pub fn raise() -> Option<u64> {
    let allowed = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: allowed.maximum,
        maximum: allowed.maximum,
    };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => allowed.maximum,
        Err(_) => allowed.current,
    }
}

/// A sentence when `allowed` files are fewer than the configured connections take, each with one to a node at times.
pub fn shortage(config: &Config, allowed: Option<u64>) -> Option<String> {
    let connections = config.limits.connections;
    let idle = config.nodes.len() * NODE_CONNECTIONS_IDLE_MAX;
    let needed = connections + idle + OPEN_FILES_BESIDE_CONNECTIONS;
    let allowed = allowed.filter(|allowed| usize::try_from(*allowed).is_ok_and(|allowed| allowed < needed))?;
    Some(format!(
        "limits.connections = {connections} takes up to {needed} open files, the system allows {allowed}: raise LimitNOFILE \
         or lower limits.connections"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::good_config;

    #[test]
    fn as_many_files_as_the_system_allows_are_taken() {
        let before = getrlimit(Resource::Nofile);
        let low = Rlimit {
            current: Some(64),
            maximum: before.maximum,
        };
        setrlimit(Resource::Nofile, low).expect("less is always allowed");
        assert_eq!(raise(), before.maximum);
        assert_eq!(getrlimit(Resource::Nofile).current, before.maximum);
    }

    #[test]
    fn too_few_files_are_told() {
        let config = good_config();
        assert_eq!(shortage(&config, None), None);
        assert_eq!(shortage(&config, Some(1 << 20)), None);
        let told = shortage(&config, Some(1_024)).unwrap_or_default();
        assert!(
            told.contains("limits.connections = 10000") && told.contains("1024"),
            "{told}"
        );
    }
}
