//! One call of the wire contract as data: the route table, the OpenAPI document and the docs page are made from it.

mod errors;

use crate::body::{Body, Field, Unknown};
use crate::problem::Code;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

/// The methods that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads, also as `HEAD`.
    Get,
    /// Makes or does something.
    Post,
    /// Replaces.
    Put,
    /// Changes a part.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// As on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Who may make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone; what the call is worth, its verb finds out.
    Open,
    /// The bearer of an access token.
    Session,
    /// The bearer of an access token whose owner proved himself within the last minutes, with all that the account has.
    StepUp,
    /// The bearer of an enrolment token, or of a session as for [`Self::StepUp`].
    Enrolment,
    /// An administrator whose session has two factors.
    Admin,
    /// The same, and proven within the last minutes.
    AdminStepUp,
}

impl Access {
    /// In words, for the docs page.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Open => "anyone",
            Self::Session => "a session",
            Self::StepUp => "a session with a recent step-up",
            Self::Enrolment => "an enrolment token, or a session with a recent step-up",
            Self::Admin => "an administrator with two factors",
            Self::AdminStepUp => "an administrator with two factors and a recent step-up",
        }
    }
}

/// Whose words errors are told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// The native API: problems.
    V1,
    /// Mailed code: `{"error": ...}`.
    Dialect002,
    /// TOTP: `{"detail": ...}`.
    Dialect003,
    /// Conditional OTP: the envelope.
    Dialect004,
}

impl Surface {
    /// The surface of a path.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let under = |prefix: &str| {
            path.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if under("/v1") {
            Self::V1
        } else if under("/auth") || under("/users") {
            Self::Dialect002
        } else if under("/api/auth") {
            Self::Dialect004
        } else {
            Self::Dialect003
        }
    }
}

/// What an answer holds.
#[derive(Clone, Copy)]
pub enum Shape {
    /// Nothing.
    Empty,
    /// JSON of a type.
    Json(Typed),
    /// JSON of one of several types.
    OneOf(&'static [Typed]),
    /// Bytes or text of these media types.
    Media(&'static [&'static str]),
}

/// A type with its schema.
#[derive(Clone, Copy)]
pub struct Typed {
    /// Name of the schema.
    pub name: fn() -> std::borrow::Cow<'static, str>,
    /// The schema.
    pub schema: fn() -> RefOr<Schema>,
    /// Schemas that it refers to.
    pub others: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Typed {
    /// Of a type.
    #[must_use]
    pub const fn of<T: ToSchema + PartialSchema>() -> Self {
        Self {
            name: T::name,
            schema: T::schema,
            others: T::schemas,
        }
    }
}

/// A successful answer, or one that the dialect counts as an answer.
#[derive(Clone, Copy)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// When it comes.
    pub about: &'static str,
    /// What it holds.
    pub shape: Shape,
}

impl Answer {
    /// JSON.
    #[must_use]
    pub const fn json<T: ToSchema + PartialSchema>(status: u16, about: &'static str) -> Self {
        Self {
            status,
            about,
            shape: Shape::Json(Typed::of::<T>()),
        }
    }

    /// JSON of one of several types.
    #[must_use]
    pub const fn one_of(status: u16, about: &'static str, types: &'static [Typed]) -> Self {
        Self {
            status,
            about,
            shape: Shape::OneOf(types),
        }
    }

    /// Nothing but the status.
    #[must_use]
    pub const fn empty(status: u16, about: &'static str) -> Self {
        Self {
            status,
            about,
            shape: Shape::Empty,
        }
    }

    /// Bytes.
    #[must_use]
    pub const fn media(status: u16, about: &'static str, types: &'static [&'static str]) -> Self {
        Self {
            status,
            about,
            shape: Shape::Media(types),
        }
    }
}

/// A body's schema.
#[derive(Clone, Copy)]
pub struct BodyShape {
    /// Name of the schema.
    pub name: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
    /// What happens to others.
    pub unknown: Unknown,
    /// Whether the call may come without a body.
    pub optional: bool,
}

/// A call.
#[derive(Clone, Copy)]
pub struct Operation {
    /// Its method.
    pub method: Method,
    /// Its path, with `{parameters}`, without a trailing slash.
    pub path: &'static str,
    /// The verb, unique.
    pub id: &'static str,
    /// Heading that it is listed under.
    pub group: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// Who may make it.
    pub access: Access,
    /// Body.
    pub body: Option<BodyShape>,
    /// Query parameters.
    pub query: &'static [Field],
    /// Whether `If-Match` is demanded.
    pub if_match: bool,
    /// Answers.
    pub answers: &'static [Answer],
    /// Errors of its own, besides those that [`Self::codes`] derives.
    pub refusals: &'static [Code],
}

impl Operation {
    const fn new(
        method: Method,
        path: &'static str,
        id: &'static str,
        group: &'static str,
        about: &'static str,
    ) -> Self {
        Self {
            method,
            path,
            id,
            group,
            about,
            access: Access::Open,
            body: None,
            query: &[],
            if_match: false,
            answers: &[],
            refusals: &[],
        }
    }

    /// A `GET`.
    #[must_use]
    pub const fn get(path: &'static str, id: &'static str, group: &'static str, about: &'static str) -> Self {
        Self::new(Method::Get, path, id, group, about)
    }

    /// A `POST`.
    #[must_use]
    pub const fn post(path: &'static str, id: &'static str, group: &'static str, about: &'static str) -> Self {
        Self::new(Method::Post, path, id, group, about)
    }

    /// A `PUT`.
    #[must_use]
    pub const fn put(path: &'static str, id: &'static str, group: &'static str, about: &'static str) -> Self {
        Self::new(Method::Put, path, id, group, about)
    }

    /// A `PATCH`.
    #[must_use]
    pub const fn patch(path: &'static str, id: &'static str, group: &'static str, about: &'static str) -> Self {
        Self::new(Method::Patch, path, id, group, about)
    }

    /// A `DELETE`.
    #[must_use]
    pub const fn delete(path: &'static str, id: &'static str, group: &'static str, about: &'static str) -> Self {
        Self::new(Method::Delete, path, id, group, about)
    }

    /// Who may make it.
    #[must_use]
    pub const fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// What it must be sent.
    #[must_use]
    pub const fn body<T: Body>(mut self) -> Self {
        self.body = Some(BodyShape {
            name: T::NAME,
            fields: T::FIELDS,
            unknown: T::UNKNOWN,
            optional: false,
        });
        self
    }

    /// What it may be sent.
    #[must_use]
    pub const fn optional_body<T: Body>(mut self) -> Self {
        self.body = Some(BodyShape {
            name: T::NAME,
            fields: T::FIELDS,
            unknown: T::UNKNOWN,
            optional: true,
        });
        self
    }

    /// What may stand in its query.
    #[must_use]
    pub const fn query<T: Body>(mut self) -> Self {
        self.query = T::FIELDS;
        self
    }

    /// It changes a version that must be named.
    #[must_use]
    pub const fn if_match(mut self) -> Self {
        self.if_match = true;
        self
    }

    /// What it answers when it went well.
    #[must_use]
    pub const fn answers(mut self, answers: &'static [Answer]) -> Self {
        self.answers = answers;
        self
    }

    /// Its own errors.
    #[must_use]
    pub const fn refuses(mut self, codes: &'static [Code]) -> Self {
        self.refusals = codes;
        self
    }

    /// The surface whose words its errors are told in.
    #[must_use]
    pub fn surface(&self) -> Surface {
        Surface::of(self.path)
    }

    /// Names of the parameters in the path.
    pub fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}
