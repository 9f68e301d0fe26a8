//! What the tests of whole clusters share: a client, accounts with a second factor, traffic with figures, and the rules
//! of the project's own shape; a disk that loses power, a member of the store in a process of its own, and the proofs
//! that use them; and the chaos suite: clients, faults, proxies, promises and reports. Knows nothing of the inside of what it
//! tests.

pub mod api;
pub mod api_fuzz;
pub mod architecture;
pub mod bench;
pub mod browser;
pub mod canary;
pub mod chaos;
pub mod clock;
pub mod damage;
pub mod entropy;
pub mod faultfs;
pub mod folders;
pub mod limits;
pub mod load;
pub mod mail;
pub mod mailed_cluster;
pub mod member;
pub mod moved_clock;
pub mod native;
pub mod nemeses;
pub mod pool;
pub mod promises;
pub mod proofs;
pub mod proxy;
pub mod python;
pub mod routes;
pub mod shell;
pub mod site;
pub mod skipping;
pub mod timing;
pub mod webdriver;
pub mod workloads;

pub use simulation::{history, linearizable, models};
