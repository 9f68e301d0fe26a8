//! From when to when a certificate is good, and whether one configuration serves its hosts worse than another one. Pure: whoever
//! asks brings the time.

use super::{Config, FrontIdentity};

/// From when to when a certificate is good, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second at which it is good.
    pub from_unix: i64,
    /// The second after which it is no good.
    pub until_unix: i64,
}

impl Validity {
    /// Whether a client or node would take the certificate.
    pub fn is_good_at(self, now_unix: i64) -> bool {
        self.from_unix <= now_unix && now_unix < self.until_unix
    }
}

/// How many of the certificates that cover a host are good; which of them is shown depends on the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Covering {
    Nothing,
    Partly,
    Fully,
}

impl Covering {
    fn of(host: &str, identities: &[FrontIdentity], now_unix: i64) -> Self {
        let covers = |identity: &&FrontIdentity| identity.covers.iter().any(|name| name == host);
        let covering = || identities.iter().filter(covers);
        let good = covering()
            .filter(|identity| identity.validity.is_good_at(now_unix))
            .count();
        if good == 0 {
            Self::Nothing
        } else if good < covering().count() {
            Self::Partly
        } else {
            Self::Fully
        }
    }
}

/// The first certificate that was good and would not be any more, in words: of a host, of clients that name no host, or of our own
/// towards the nodes.
pub fn first_loss(before: &Config, after: &Config, now_unix: i64) -> Option<String> {
    let (old, new) = (&before.front.certificates, &after.front.certificates);
    for host in after.front.hosts.names() {
        if Covering::of(host, new, now_unix) < Covering::of(host, old, now_unix) {
            return Some(format!(
                "front.certificate: the certificate for {host} would be missing, expired or not valid yet"
            ));
        }
    }
    let is_lost = |old: Option<Validity>, new: Option<Validity>| {
        old.is_some_and(|old| old.is_good_at(now_unix)) && !new.is_some_and(|new| new.is_good_at(now_unix))
    };
    let first = |identities: &[FrontIdentity]| identities.first().map(|identity| identity.validity);
    if is_lost(first(old), first(new)) {
        return Some("front.certificate: the new certificate has expired or is not valid yet".into());
    }
    is_lost(Some(before.backend.validity), Some(after.backend.validity))
        .then(|| "backend.certificate: the new certificate has expired or is not valid yet".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostList;
    use crate::config::tests::good_config;

    const NOW: i64 = 1_000;
    const GOOD: Validity = Validity {
        from_unix: NOW,
        until_unix: NOW + 1,
    };
    const EARLY: Validity = Validity {
        from_unix: NOW + 1,
        until_unix: NOW + 2,
    };
    const LATE: Validity = Validity {
        from_unix: NOW - 1,
        until_unix: NOW,
    };

    /// A configuration with two hosts and these certificates.
    fn config(certificates: &[(&str, Validity)]) -> Config {
        let mut config = good_config();
        config.front.hosts = HostList::parse(&["a.example".into(), "b.example".into()]).expect("two names");
        let certified = config.front.certificates[0].certified.clone();
        let identity = |(host, validity): &(&str, Validity)| FrontIdentity {
            certified: certified.clone(),
            covers: vec![(*host).to_string()],
            validity: *validity,
        };
        config.front.certificates = certificates.iter().map(identity).collect();
        config.backend.validity = GOOD;
        config
    }

    #[track_caller]
    fn loss(before: &[(&str, Validity)], after: &[(&str, Validity)]) -> String {
        first_loss(&config(before), &config(after), NOW).unwrap_or_default()
    }

    #[test]
    fn a_certificate_is_good_from_its_first_second_to_its_last() {
        assert!(GOOD.is_good_at(NOW) && !EARLY.is_good_at(NOW) && !LATE.is_good_at(NOW));
    }

    #[test]
    fn neither_an_expired_certificate_nor_one_of_the_future_replaces_a_good_one() {
        let before = [("a.example", GOOD), ("b.example", GOOD)];
        for bad in [EARLY, LATE] {
            assert!(loss(&before, &[("a.example", bad), ("b.example", GOOD)]).contains("a.example"));
            assert!(loss(&before, &[("a.example", GOOD), ("b.example", bad)]).contains("b.example"));
        }
        assert!(loss(&before, &[("a.example", GOOD)]).contains("b.example"));
        assert_eq!(loss(&before, &before), "");
    }

    #[test]
    fn what_is_bad_already_hides_no_other_loss_and_holds_nothing_up() {
        let before = [("a.example", GOOD), ("b.example", LATE)];
        assert!(loss(&before, &[("a.example", EARLY), ("b.example", GOOD)]).contains("a.example"));
        assert_eq!(loss(&before, &before), "");
        assert_eq!(loss(&before, &[("a.example", GOOD), ("b.example", EARLY)]), "");
    }

    #[test]
    fn each_of_several_certificates_of_a_host_stays_good() {
        let before = [("a.example", GOOD), ("a.example", GOOD)];
        assert!(loss(&before, &[("a.example", GOOD), ("a.example", EARLY)]).contains("a.example"));
        let before = [("a.example", GOOD), ("a.example", LATE)];
        assert_eq!(loss(&before, &before), "");
        assert_eq!(loss(&before, &[("a.example", GOOD)]), "");
    }

    #[test]
    fn who_names_no_host_and_the_nodes_are_shown_a_good_one_as_well() {
        let (before, after) = ([("c.example", GOOD)], [("c.example", EARLY)]);
        assert!(loss(&before, &after).contains("front.certificate"));
        let (before, mut after) = (config(&before), config(&before));
        after.backend.validity = EARLY;
        let told = first_loss(&before, &after, NOW).unwrap_or_default();
        assert!(told.contains("backend.certificate"), "{told}");
    }
}
