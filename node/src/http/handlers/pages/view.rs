//! What the templates are filled with. Every value is escaped by askama, the QR code's own SVG excepted.
//!
//! A form is data (fields with labels, hints and errors), so that every field of every page is labelled and described
//! the same way.

use super::assets::{ICON, STYLE};
use super::texts;
use crate::http::handlers::docs::Group;
use askama::Template;

/// What surrounds every page.
pub(super) struct Layout {
    pub(super) texts: &'static texts::Texts,
    pub(super) title: &'static str,
    pub(super) is_error: bool,
    pub(super) style: &'static str,
    pub(super) icon: &'static str,
}

impl Layout {
    pub(super) fn new(texts: &'static texts::Texts, title: &'static str) -> Self {
        Self {
            texts,
            title,
            is_error: false,
            style: &STYLE.path,
            icon: &ICON.path,
        }
    }

    /// The same page with its title marked as an error when there is one.
    pub(super) fn marked(self, is_error: bool) -> Self {
        Self { is_error, ..self }
    }
}

/// A form and what is said above it.
pub(super) struct Form {
    pub(super) action: &'static str,
    pub(super) token: String,
    pub(super) notice: Option<&'static str>,
    pub(super) alert: Option<String>,
    pub(super) fields: Vec<Field>,
    pub(super) submit: &'static str,
}

/// A labelled input.
pub(super) struct Field {
    /// Name, and id in the document.
    pub(super) name: &'static str,
    pub(super) input: &'static Input,
    pub(super) label: &'static str,
    pub(super) hint: Option<&'static str>,
    pub(super) error: Option<String>,
    /// Never set for a secret: what was typed is not sent back.
    pub(super) value: String,
    pub(super) autofocus: bool,
}

impl Field {
    pub(super) fn new(name: &'static str, label: &'static str, input: &'static Input) -> Self {
        Self {
            name,
            input,
            label,
            hint: None,
            error: None,
            value: String::new(),
            autofocus: false,
        }
    }

    pub(super) fn hint(self, hint: &'static str) -> Self {
        Self {
            hint: Some(hint),
            ..self
        }
    }

    pub(super) fn value(self, value: &str) -> Self {
        Self {
            value: value.to_owned(),
            ..self
        }
    }

    pub(super) fn focused(self, autofocus: bool) -> Self {
        Self { autofocus, ..self }
    }

    /// Ids of the texts that belong to the input, for screen readers.
    pub(super) fn described_by(&self) -> Option<String> {
        let hint = self.hint.map(|_| format!("{}-hint", self.name));
        let error = self.error.as_ref().map(|_| format!("{}-error", self.name));
        let ids: Vec<String> = hint.into_iter().chain(error).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }
}

/// How an input behaves (PW-10: password managers and pasting work, so nothing here prevents them).
pub(super) struct Input {
    pub(super) kind: &'static str,
    pub(super) autocomplete: &'static str,
    pub(super) chars_max: usize,
    /// Digits only: the keyboard of a phone shows a number pad.
    pub(super) digits: bool,
    /// Typed as it is: no capitals and no corrections by the keyboard.
    pub(super) verbatim: bool,
}

pub(super) static USERNAME: Input = Input {
    kind: "text",
    autocomplete: "username",
    chars_max: auth_core::limits::USERNAME_CHARS_MAX,
    digits: false,
    verbatim: true,
};
pub(super) static EMAIL: Input = Input {
    kind: "email",
    autocomplete: "email",
    chars_max: auth_core::limits::EMAIL_BYTES_MAX,
    digits: false,
    verbatim: true,
};
pub(super) static CURRENT_PASSWORD: Input = Input {
    kind: "password",
    autocomplete: "current-password",
    chars_max: PASSWORD_INPUT_CHARS_MAX,
    digits: false,
    verbatim: false,
};
pub(super) static NEW_PASSWORD: Input = Input {
    autocomplete: "new-password",
    ..CURRENT_PASSWORD
};
pub(super) static ONE_TIME_CODE: Input = Input {
    kind: "text",
    autocomplete: "one-time-code",
    chars_max: CODE_INPUT_CHARS_MAX,
    digits: true,
    verbatim: false,
};

/// Room for any password that is allowed and a bit more: a browser must never cut one silently (PW-4). Browsers count
/// UTF-16 units, up to two for each character.
const PASSWORD_INPUT_CHARS_MAX: usize = 2 * auth_core::limits::PASSWORD_CHARS_MAX + 1;
/// Six digits with a space or two.
const CODE_INPUT_CHARS_MAX: usize = 12;

#[derive(Template)]
#[template(path = "home.html")]
pub(super) struct Home {
    pub(super) layout: Layout,
    pub(super) text: &'static texts::Home,
}

#[derive(Template)]
#[template(path = "signup.html")]
pub(super) struct Signup {
    pub(super) layout: Layout,
    pub(super) text: &'static texts::Signup,
    pub(super) form: Form,
}

#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct Login {
    pub(super) layout: Layout,
    pub(super) text: &'static texts::Login,
    pub(super) form: Form,
}

#[derive(Template)]
#[template(path = "verify.html")]
pub(super) struct Verify {
    pub(super) layout: Layout,
    pub(super) text: &'static texts::Verify,
    pub(super) form: Form,
}

#[derive(Template)]
#[template(path = "enrol.html")]
pub(super) struct Enrol<'a> {
    pub(super) layout: Layout,
    pub(super) text: &'static texts::Enrol,
    pub(super) form: Form,
    pub(super) qr_svg: &'a str,
    pub(super) otpauth_uri: &'a str,
    pub(super) secret_groups: Vec<&'a str>,
}

#[derive(Template)]
#[template(path = "welcome.html")]
pub(super) struct Welcome<'a> {
    pub(super) layout: Layout,
    pub(super) text: &'static texts::Welcome,
    pub(super) username: &'a str,
    pub(super) since_machine: String,
    pub(super) since_human: String,
    pub(super) token: String,
}

#[derive(Template)]
#[template(path = "docs.html")]
pub(super) struct Docs<'a> {
    pub(super) layout: Layout,
    pub(super) groups: &'a [Group],
    /// Errors that every call may answer with.
    pub(super) common: &'a str,
}

#[derive(Template)]
#[template(path = "error.html")]
pub(super) struct Error<'a> {
    pub(super) layout: Layout,
    pub(super) text: &'static texts::ErrorPage,
    pub(super) texts: &'static texts::Errors,
    pub(super) retry: Option<&'a str>,
    pub(super) reference: Option<&'a str>,
}
