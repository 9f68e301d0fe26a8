//! One entry of the log and its bytes.
//!
//! ```text
//! [format u8 = 1][command id u16 BE][command version u8 = 1][request id 16][at u64 BE, microseconds][CBOR: client, command]
//! ```
//! Command ids are listed in [`Command::id`]. An id or version that is not known is a fault, never skipped: a node that
//! skipped it would no longer be equal to the others.

use crate::command::Command;
use crate::device::DeviceProof;
use crate::error::Fault;
use crate::idempotency::IdempotencyKey;
use crate::ids::RequestId;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

/// Format of the header.
const FORMAT: u8 = 1;
/// Version of every command so far.
const COMMAND_VERSION: u8 = 1;
/// Length of the header.
const HEADER_BYTES: usize = 1 + 2 + 1 + 16 + 8;

/// A command with the id that makes it happen once, and the time that its proposer read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Names the request; see [`crate::apply`].
    pub request_id: RequestId,
    /// The proposing node's clock.
    pub at: Timestamp,
    /// Who asked, for the audit.
    pub client: Client,
    /// What is asked for.
    pub command: Command,
}

/// Who asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Client {
    /// Network address in text; empty for the node's own work.
    #[n(0)]
    pub address: String,
    /// The remembered device that it showed, its signature already checked.
    #[n(1)]
    pub device: Option<DeviceProof>,
    /// What it calls itself (`User-Agent`), cut to [`crate::limits::AGENT_BYTES_MAX`].
    #[n(2)]
    pub agent: Option<String>,
    /// Language of its mails: `en`, `pt` or `ru`.
    #[n(3)]
    pub language: Option<String>,
    /// Its `Idempotency-Key`: see [`crate::idempotency`].
    #[n(4)]
    pub idempotency: Option<IdempotencyKey>,
}

macro_rules! commands {
    (@since) => { 1 };
    (@since $version:literal) => { $version };
    ($($id:literal => $variant:ident, $verb:literal $(, since $version:literal)?;)*) => {
        impl Command {
            /// The version that a cluster must have before this is proposed: only then can every node apply it.
            #[must_use]
            pub fn since(&self) -> u32 {
                match self { $(Command::$variant(_) => commands!(@since $($version)?),)* }
            }

            /// Stable number of the verb in the log.
            #[must_use]
            pub fn id(&self) -> u16 {
                match self { $(Command::$variant(_) => $id,)* }
            }

            /// Name of the verb in audit rows, logs and metrics.
            #[must_use]
            pub fn verb(&self) -> &'static str {
                match self { $(Command::$variant(_) => $verb,)* }
            }

            fn encode_body(&self, encoder: &mut minicbor::Encoder<&mut Vec<u8>>) {
                // Writing to a Vec cannot fail.
                let _ = match self { $(Command::$variant(body) => encoder.encode(body).map(|_| ()),)* };
            }

            fn decode_body(id: u16, decoder: &mut minicbor::Decoder<'_>) -> Result<Self, Fault> {
                match id {
                    $($id => decoder.decode().map(Command::$variant).map_err(|e| Fault::Entry(e.to_string())),)*
                    unknown => Err(Fault::Entry(format!("command {unknown} is not known"))),
                }
            }
        }
    };
}

// A command that is added after a release says `, since N` behind its verb, where N is the cluster version that the
// release after it raises. It is not proposed before an operator raised the cluster to N.
commands! {
    1 => RegisterAccount, "register_account";
    2 => RefuseLogin, "refuse_login";
    3 => EnrolTotp, "enrol_totp";
    4 => StartLogin, "start_login";
    5 => VerifyFactor, "verify_factor";
    6 => LogIn, "log_in";
    7 => RefreshSession, "refresh_session";
    8 => EndSession, "end_session";
    9 => InstallSigningKey, "install_signing_key";
    10 => MarkMailSent, "mark_mail_sent";
    11 => SignIn, "sign_in";
    12 => AnswerChallenge, "answer_challenge";
    13 => SendCode, "send_code";
    14 => ChangePassword, "change_password";
    15 => RequestPasswordReset, "request_password_reset";
    16 => ResetPassword, "reset_password";
    17 => RequestEmailChange, "request_email_change";
    18 => ConfirmEmail, "confirm_email";
    19 => DeleteAccount, "delete_account";
    20 => IssueRecoveryCodes, "issue_recovery_codes";
    21 => AddTotp, "add_totp";
    22 => ConfirmTotp, "confirm_totp";
    23 => RemoveTotp, "remove_totp";
    24 => SetEmailFactor, "set_email_factor";
    25 => StepUp, "step_up";
    26 => StartStepUp, "start_step_up";
    27 => EndSessions, "end_sessions";
    28 => ForgetDevice, "forget_device";
    29 => SetPolicy, "set_policy";
    30 => BootstrapAdmin, "bootstrap_admin";
    31 => AdministerAccount, "administer_account";
    32 => AddSigningKey, "add_signing_key";
    33 => DropSigningKeys, "drop_signing_keys";
    34 => Reseal, "reseal";
    35 => MarkMailFailed, "mark_mail_failed";
    36 => ReleaseMail, "release_mail";
    37 => UpgradePassword, "upgrade_password";
    38 => KeepAnswer, "keep_answer";
}

impl Entry {
    /// The bytes that are proposed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.command.id().to_be_bytes());
        bytes.push(COMMAND_VERSION);
        bytes.extend_from_slice(&self.request_id.0);
        bytes.extend_from_slice(&self.at.0.to_be_bytes());
        let mut encoder = minicbor::Encoder::new(&mut bytes);
        // Writing to a Vec cannot fail.
        let _ = encoder.encode(&self.client).map(|_| ());
        self.command.encode_body(&mut encoder);
        bytes
    }

    /// Reads what [`Self::encode`] writes.
    ///
    /// # Errors
    /// [`Fault::Entry`] for anything that this version does not understand whole.
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let (header, body) = bytes
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or_else(|| Fault::Entry("shorter than its header".into()))?;
        let [format, id_high, id_low, version, rest @ ..] = header;
        if (*format, *version) != (FORMAT, COMMAND_VERSION) {
            return Err(Fault::Entry(format!(
                "format {format}, command version {version} are not known"
            )));
        }
        let (request_id, at) = rest
            .split_first_chunk::<16>()
            .ok_or_else(|| Fault::Entry("header".into()))?;
        let at = <[u8; 8]>::try_from(at).map_err(|_| Fault::Entry("header".into()))?;
        let mut decoder = minicbor::Decoder::new(body);
        let client = decoder.decode().map_err(|e| Fault::Entry(e.to_string()))?;
        let command = Command::decode_body(u16::from_be_bytes([*id_high, *id_low]), &mut decoder)?;
        if decoder.position() != body.len() {
            return Err(Fault::Entry("bytes after its end".into()));
        }
        Ok(Self {
            request_id: RequestId(*request_id),
            at: Timestamp(u64::from_be_bytes(at)),
            client,
            command,
        })
    }
}
