//! The verbs that the pages use: password first, code second.

use super::*;
use crate::service::{Authenticated, ServiceError};
use auth_core::reply::Denial;
use secrecy::ExposeSecret as _;

async fn register(node: &Node, name: &str) {
    let new = NewAccount {
        username: name.into(),
        email: format!("{name}@example.org"),
        password: password(),
    };
    node.auth.register_account(&context(), new).await.unwrap();
}

fn denial<T>(result: Result<T, ServiceError>) -> Option<Denial> {
    match result {
        Err(ServiceError::Denied(denial)) => Some(denial),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_login_enrols_and_the_next_one_does_not() {
    let bench = Bench::new().await;
    let (one, two) = (bench.node(), bench.node());
    register(&one, "alice").await;
    let started = one.auth.start_login(&context(), "alice", &password()).await.unwrap();
    assert!(!started.bound);
    let pending = two.auth.pending_totp(&context(), &started.challenge).await.unwrap();
    assert!(
        pending
            .otpauth_uri
            .expose_secret()
            .starts_with("otpauth://totp/tfauth:alice?secret=")
    );
    let totp = Totp::new(pending.secret_base32.expose_secret());
    // Looking again shows the same seed.
    let again = one.auth.pending_totp(&context(), &started.challenge).await.unwrap();
    assert_eq!(
        again.secret_base32.expose_secret(),
        pending.secret_base32.expose_secret()
    );
    let tokens = two
        .auth
        .verify_factor(&context(), &started.challenge, &totp.code(0))
        .await
        .unwrap();
    let Authenticated { account, session, .. } = one
        .auth
        .authenticate(
            &context(),
            one.auth.access_token(tokens.access.expose_secret()).unwrap(),
        )
        .await
        .unwrap();
    assert_eq!((account.username.as_str(), session.id), ("alice", tokens.session));
    assert_eq!(session.client_address, "192.0.2.7");

    let next = one.auth.start_login(&context(), "alice", &password()).await.unwrap();
    assert!(next.bound);
    let shown = one.auth.pending_totp(&context(), &next.challenge).await;
    assert_eq!(
        denial(shown),
        Some(Denial::AlreadyEnrolled {}),
        "OTP-8: a bound seed is never shown"
    );
    one.auth
        .verify_factor(&context(), &next.challenge, &totp.code(1))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn th_5_wrong_passwords_of_strangers_do_not_keep_an_owner_from_enrolling() {
    let bench = Bench::new().await;
    let node = bench.node();
    register(&node, "alice").await;
    for _ in 0..4 {
        let guess = SecretString::from("not the password");
        let refused = node.auth.start_login(&context(), "alice", &guess).await;
        assert_eq!(denial(refused), Some(Denial::InvalidCredentials {}));
    }
    let started = node.auth.start_login(&context(), "alice", &password()).await.unwrap();
    let pending = node.auth.pending_totp(&context(), &started.challenge).await.unwrap();
    let totp = Totp::new(pending.secret_base32.expose_secret());
    node.auth
        .verify_factor(&context(), &started.challenge, &totp.code(0))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_opens_one_session_and_a_retry_gets_the_same_tokens() {
    let bench = Bench::new().await;
    let (one, two) = (bench.node(), bench.node());
    register(&one, "alice").await;
    let operation = entropy::bytes();
    let started = one
        .auth
        .start_login(&context_of(operation), "alice", &password())
        .await
        .unwrap();
    let retried = two
        .auth
        .start_login(&context_of(operation), "alice", &password())
        .await
        .unwrap();
    assert_eq!(started.challenge, retried.challenge);
    let pending = one.auth.pending_totp(&context(), &started.challenge).await.unwrap();
    let code = Totp::new(pending.secret_base32.expose_secret()).code(0);
    let operation = entropy::bytes();
    let first = one
        .auth
        .verify_factor(&context_of(operation), &started.challenge, &code)
        .await
        .unwrap();
    let retry = two
        .auth
        .verify_factor(&context_of(operation), &started.challenge, &code)
        .await
        .unwrap();
    assert_eq!(first.access.expose_secret(), retry.access.expose_secret());
    assert_eq!(first.refresh.expose_secret(), retry.refresh.expose_secret());
    let reused = one.auth.verify_factor(&context(), &started.challenge, &code).await;
    assert_eq!(denial(reused), Some(Denial::ChallengeGone {}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_takes_five_answers() {
    let bench = Bench::new().await;
    let node = bench.node();
    register(&node, "alice").await;
    let started = node.auth.start_login(&context(), "alice", &password()).await.unwrap();
    let pending = node.auth.pending_totp(&context(), &started.challenge).await.unwrap();
    let totp = Totp::new(pending.secret_base32.expose_secret());
    for answer in 0..5 {
        let wrong = node
            .auth
            .verify_factor(&context(), &started.challenge, &totp.wrong_code())
            .await;
        assert_eq!(denial(wrong), Some(Denial::InvalidCode {}), "answer {answer}");
    }
    let right = node
        .auth
        .verify_factor(&context(), &started.challenge, &totp.code(0))
        .await;
    assert_eq!(denial(right), Some(Denial::ChallengeGone {}));
    // The factor's budget is used up as well: a new challenge does not give new guesses at once.
    let refused = node.auth.start_login(&context(), "alice", &password()).await;
    assert!(matches!(denial(refused), Some(Denial::TooManyAttempts { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_holder_of_a_challenge_can_answer_it() {
    let bench = Bench::new().await;
    let node = bench.node();
    register(&node, "alice").await;
    for cookie in ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let answer = node.auth.verify_factor(&context(), cookie, "000000").await;
        assert_eq!(denial(answer), Some(Denial::ChallengeGone {}), "{cookie:?}");
        assert_eq!(
            denial(node.auth.pending_totp(&context(), cookie).await),
            Some(Denial::ChallengeGone {})
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pw_4_normal_forms_of_name_and_password_log_in() {
    let bench = Bench::new().await;
    let node = bench.node();
    let new = NewAccount {
        username: "Andr\u{e9}".into(),
        email: "andre@example.org".into(),
        password: SecretString::from("caf\u{e9} au lait"),
    };
    assert_eq!(
        node.auth.register_account(&context(), new).await.unwrap().username,
        "Andr\u{e9}"
    );
    let decomposed = SecretString::from("cafe\u{301} au lait");
    node.auth
        .start_login(&context(), "ANDRE\u{301}", &decomposed)
        .await
        .unwrap();
    let folded = SecretString::from("CAF\u{c9} au lait");
    let refused = node.auth.start_login(&context(), "andr\u{e9}", &folded).await;
    assert_eq!(denial(refused), Some(Denial::InvalidCredentials {}));
}
