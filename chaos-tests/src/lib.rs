//! What the tests of whole clusters share: a client, accounts with a second factor, traffic with figures, and the rules
//! of the project's own shape. Starts nothing by itself and knows nothing of the inside of what it tests.

pub mod api;
pub mod architecture;
pub mod bench;
pub mod browser;
pub mod canary;
pub mod clock;
pub mod limits;
pub mod load;
pub mod pool;
pub mod shell;
