//! Somebody whose login was answered, and what must stay true of that.

use crate::api::{Answer, Api, Person};
use crate::pool::Account;

/// A person, the code that was used, and the tokens that were given for it.
pub(super) struct Witness {
    account: Account,
    code: String,
    tokens: Answer,
}

impl Witness {
    /// Creates an account, binds a second factor, and logs in, all of which must succeed.
    pub(super) async fn new(api: &Api, name: &str) -> Result<Self, String> {
        let person = Person::new(name);
        let created = want(201, api.create(&person).await?, "a new account", name);
        created?;
        let enrolled = want(201, api.enrol(&person).await?, "a new second factor", name)?;
        let mut account = Account::with_secret(person, enrolled.text("secret"));
        let code = account.wait_for_code().await;
        let tokens = want(200, api.log_in(&account.person, &code).await?, "the first login", name)?;
        Ok(Self { account, code, tokens })
    }

    /// The name is taken, the code is used, the session lives.
    pub(super) async fn is_remembered(&mut self, api: &Api) -> Result<(), String> {
        let person = &self.account.person;
        let name = &person.username;
        let info = api.user_info(&self.tokens.text("access_token")).await?;
        let info = want(200, info, "who the bearer of a token is", name)?;
        if info.text("username") != *name {
            return Err(format!("the token of {name} is taken for one of {}", info.body));
        }
        want(401, api.log_in(person, &self.code).await?, "the used code again", name)?;
        want(409, api.create(person).await?, "the taken name again", name)?;
        let refreshed = api.refresh(&self.tokens.text("refresh_token")).await?;
        self.tokens = want(200, refreshed, "a refresh", name)?;
        Ok(())
    }
}

fn want(status: u16, answer: Answer, what: &str, name: &str) -> Result<Answer, String> {
    if answer.status == status {
        return Ok(answer);
    }
    Err(format!(
        "{what} of {name} was answered with {} instead of {status}: {}",
        answer.status, answer.body
    ))
}
