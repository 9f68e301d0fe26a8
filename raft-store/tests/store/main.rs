//! The store as a node uses it: several members over real sockets, and processes that are killed.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod bad_peer;
#[cfg(test)]
mod child;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod half_snapshot;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod membership;
#[cfg(test)]
mod membership_crash;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod restored;
#[cfg(test)]
mod scrub;
#[cfg(test)]
mod slow_path;
#[cfg(test)]
mod slow_snapshot;
#[cfg(test)]
mod support;
