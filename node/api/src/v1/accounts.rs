//! Accounts: making, reading, removing one's own; password and address.

use super::{CODE, EMAIL, METHOD, PASSWORD, TOKEN, USERNAME};
use crate::operation::{Access, Answer, Operation};
use crate::problem::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

const GROUP: &str = "Accounts";

/// Makes an account.
pub const REGISTER: Operation = Operation::post(
    "/v1/accounts",
    "register_account",
    GROUP,
    "Make an account. A mail address that has one already is not told: its owner gets a mail.",
)
.body::<NewAccount>()
.answers(&[Answer::json::<Account>(
    201,
    "The account exists; its address is not confirmed yet.",
)])
.refuses(&[Code::Forbidden, Code::Conflict]);

/// Reads the own account.
pub const OWN: Operation = Operation::get("/v1/account", "own_account", GROUP, "The account of the access token.")
    .access(Access::Session)
    .answers(&[Answer::json::<OwnAccount>(200, "The account.")]);

/// Removes the own account.
pub const DELETE: Operation = Operation::delete(
    "/v1/account",
    "delete_account",
    GROUP,
    "Remove the own account with its factors, sessions and devices.",
)
.access(Access::StepUp)
.answers(&[Answer::empty(204, "It is gone.")])
.refuses(&[Code::Conflict]);

/// Changes the password.
pub const CHANGE_PASSWORD: Operation = Operation::post(
    "/v1/account/password",
    "change_password",
    GROUP,
    "Change the password. The account's other sessions end, and its owner is told by mail.",
)
.access(Access::Session)
.body::<ChangePassword>()
.answers(&[Answer::empty(204, "The password is changed.")])
.refuses(&[Code::InvalidCredentials]);

/// Asks for another address.
pub const CHANGE_EMAIL: Operation = Operation::post(
    "/v1/account/email",
    "request_email_change",
    GROUP,
    "Send a code to an address. It becomes the account's once the code is confirmed; the old address is told.",
)
.access(Access::StepUp)
.body::<ChangeEmail>()
.answers(&[Answer::empty(202, "A code is on its way to the new address.")]);

/// Confirms the address.
pub const CONFIRM_EMAIL: Operation = Operation::post(
    "/v1/account/email/confirm",
    "confirm_email",
    GROUP,
    "Confirm the address that the code was sent to. The code proves enough: no session is needed.",
)
.body::<Confirmation>()
.answers(&[Answer::empty(204, "The address is the account's, and confirmed.")])
.refuses(&[Code::InvalidCode, Code::Conflict]);

/// Asks for a new password.
pub const RESET: Operation = Operation::post(
    "/v1/password-reset",
    "request_password_reset",
    GROUP,
    "Send a mail with a reset token, if the address has an account. The answer never tells.",
)
.body::<PasswordReset>()
.answers(&[Answer::empty(202, "Whatever the address.")]);

/// Sets the new password.
pub const CONFIRM_RESET: Operation = Operation::post(
    "/v1/password-reset/confirm",
    "confirm_password_reset",
    GROUP,
    "Set a new password with a mailed token. An account with a second factor needs its code, too. All sessions end.",
)
.body::<ConfirmPasswordReset>()
.answers(&[Answer::empty(204, "The password is changed.")])
.refuses(&[Code::InvalidCode]);

bodies! {
    /// Body of [`REGISTER`].
    strict NewAccount {
        /// Name to log in with; upper and lower case are the same.
        username: String = USERNAME,
        /// Mail address.
        email: String = EMAIL,
        /// Password.
        password: String = PASSWORD,
    }
    /// Body of [`CHANGE_PASSWORD`].
    strict ChangePassword {
        /// The password as it is.
        current_password: String = PASSWORD,
        /// The password as it shall be.
        new_password: String = PASSWORD,
    }
    /// Body of [`CHANGE_EMAIL`].
    strict ChangeEmail {
        /// The new address, or the present one to confirm it.
        email: String = EMAIL,
    }
    /// Body of calls that confirm something with a code.
    strict Confirmation {
        /// The code.
        code: String = CODE,
    }
    /// Body of [`RESET`].
    strict PasswordReset {
        /// Address of the account.
        email: String = EMAIL,
    }
    /// Body of [`CONFIRM_RESET`].
    strict ConfirmPasswordReset {
        /// The token of the mail.
        token: String = TOKEN,
        /// The new password.
        new_password: String = PASSWORD,
        /// Second factor that the code is of; `totp` when it is left out.
        method: Option<String> = METHOD,
        /// Code of the second factor, if the account has one. A mailed code does not count here.
        code: Option<String> = CODE,
    }
}

/// Answer of [`REGISTER`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Id of the account.
    pub id: String,
    /// Name as written.
    pub username: String,
    /// Address as written.
    pub email: String,
    /// `active`, `pending` (an administrator must approve it) or `disabled`.
    pub status: String,
    /// RFC 3339, UTC.
    pub created_at: String,
}

/// Answer of [`OWN`].
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnAccount {
    /// Id of the account.
    pub id: String,
    /// The account as a whole number, for clients that want one.
    pub user_id: u64,
    /// Name as written.
    pub username: String,
    /// Address as written.
    pub email: String,
    /// Whether a code that was sent there came back.
    pub email_confirmed: bool,
    /// `active`, `pending` or `disabled`.
    pub status: String,
    /// `user` or `admin`.
    pub role: String,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// RFC 3339, UTC; null until something changed.
    pub updated_at: Option<String>,
}
