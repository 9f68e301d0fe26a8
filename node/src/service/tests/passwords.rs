//! What a login does for the password's hash.

use super::*;
use crate::secrets::Purpose;
use auth_core::query;

/// The PHC string that is stored for an account.
fn stored(bench: &Bench, name: &str) -> String {
    let account = query::account_by_username(&bench.replication.view(), name)
        .unwrap()
        .unwrap();
    let phc = bench.ring.open(Purpose::PasswordHash, &account.id.0, &account.password);
    String::from_utf8(phc.unwrap().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pw_6_a_login_upgrades_the_hash_when_parameters_have_risen() {
    let bench = Bench::new().await;
    let before = bench.node();
    let totp = before.enrolled("alice").await;
    assert_eq!(
        before.log_in("alice", PASSWORD, &totp.code(-1)).await.status,
        StatusCode::OK
    );
    let cheap = stored(&bench, "alice");
    assert!(cheap.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{cheap}");
    let dear = bench.node_hashing(true, HashParams::new(24_576, 2).unwrap());
    // A wrong password upgrades nothing.
    let wrong = dear.log_in("alice", "no such password", &totp.code(0)).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        dear.log_in("alice", PASSWORD, &totp.code(0)).await.status,
        StatusCode::OK
    );
    let upgraded = async {
        while stored(&bench, "alice") == cheap {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, upgraded)
        .await
        .expect("the hash is upgraded");
    let now = stored(&bench, "alice");
    assert!(now.starts_with("$argon2id$v=19$m=24576,t=2,p=1$"), "{now}");
    // A node that still has the old parameters goes on, and does not turn it back.
    assert_eq!(
        before.log_in("alice", PASSWORD, &totp.code(1)).await.status,
        StatusCode::OK
    );
    assert_eq!(stored(&bench, "alice"), now);
}
