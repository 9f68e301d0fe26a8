//! Bodies of requests: every field has a type, a bound and a message, and the schema of the document is made from the
//! same table that a body is read with.
//!
//! What is wrong is told by the name of the field, never with its value: it may be a password.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Fields that one body may have wrong before the rest is not looked at.
const WRONG_MAX: usize = 16;
/// Characters of an unknown field's name that are told back.
const NAME_CHARS_MAX: usize = 64;

/// The type of a field, and its bound.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text of so many characters.
    Text {
        /// Fewest.
        min: usize,
        /// Most.
        max: usize,
    },
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Count {
        /// Smallest.
        min: u64,
        /// Greatest.
        max: u64,
    },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Whole numbers, so many at most.
    Counts {
        /// Smallest number.
        min: u64,
        /// Greatest number.
        max: u64,
        /// Most of them.
        items_max: usize,
    },
    /// An object of its own.
    Object(&'static [Field]),
}

/// A field of a body.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name on the wire.
    pub name: &'static str,
    /// Type and bound.
    pub kind: Kind,
    /// Whether it must be there.
    pub required: bool,
    /// What it is, in a sentence.
    pub about: &'static str,
}

/// What happens to fields that a body does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// They are wrong: the native API.
    Refused,
    /// They are not looked at: the dialects, whose clients may send more.
    Ignored,
}

/// A body that can be read and described.
pub trait Body: DeserializeOwned {
    /// Name of its schema.
    const NAME: &'static str;
    /// Its fields.
    const FIELDS: &'static [Field];
    /// What happens to others.
    const UNKNOWN: Unknown;
}

/// Whether a field of this type must be there.
pub trait Presence {
    /// It must.
    const REQUIRED: bool;
}

impl Presence for String {
    const REQUIRED: bool = true;
}
impl Presence for bool {
    const REQUIRED: bool = true;
}
impl Presence for u64 {
    const REQUIRED: bool = true;
}
impl<T> Presence for Vec<T> {
    const REQUIRED: bool = true;
}
impl<T> Presence for Option<T> {
    const REQUIRED: bool = false;
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Its name; empty for the body itself.
    pub field: String,
    /// What is expected of it.
    pub message: String,
}

/// Declares bodies: `strict` refuses unknown fields, `lenient` ignores them.
macro_rules! bodies {
    ($($(#[$meta:meta])* $mode:ident $name:ident $(as $schema:literal)? {
        $($(#[doc = $about:literal])+ $field:ident $(as $wire:literal)? : $type:ty = $kind:expr),* $(,)?
    })*) => {$(
        $(#[$meta])*
        #[derive(serde::Deserialize)]
        pub struct $name {
            $($(#[doc = $about])+ $(#[serde(rename = $wire)])? pub $field: $type,)*
        }

        impl $crate::body::Body for $name {
            const NAME: &'static str = bodies!(@name $name $($schema)?);
            const FIELDS: &'static [$crate::body::Field] = &[$($crate::body::Field {
                name: bodies!(@name $field $($wire)?),
                kind: $kind,
                required: <$type as $crate::body::Presence>::REQUIRED,
                about: concat!($($about),+),
            }),*];
            const UNKNOWN: $crate::body::Unknown = bodies!(@mode $mode);
        }
    )*};
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $wire:literal) => { $wire };
    (@mode strict) => { $crate::body::Unknown::Refused };
    (@mode lenient) => { $crate::body::Unknown::Ignored };
}

/// Reads a body.
///
/// # Errors
/// Everything that is wrong with it, field by field.
pub fn read<T: Body>(bytes: &[u8]) -> Result<T, Vec<Wrong>> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        whole(format!("Malformed JSON at line {line}, column {column}"))
    })?;
    let Value::Object(fields) = value else {
        return Err(whole("The body must be a JSON object".to_owned()));
    };
    of_fields(fields)
}

/// Reads the parameters of a query string, which are text until their field says number or flag.
///
/// # Errors
/// Everything that is wrong with them.
pub fn read_query<T: Body>(pairs: impl IntoIterator<Item = (String, String)>) -> Result<T, Vec<Wrong>> {
    let mut fields = Map::new();
    for (name, text) in pairs {
        let kind = T::FIELDS
            .iter()
            .find(|field| field.name == name)
            .map(|field| field.kind);
        let value = match kind {
            Some(Kind::Count { .. }) => text.parse::<u64>().map_or(Value::String(text), Value::from),
            Some(Kind::Flag) => text.parse::<bool>().map_or(Value::String(text), Value::from),
            Some(Kind::Text { .. } | Kind::OneOf(_) | Kind::Counts { .. } | Kind::Object(_)) | None => {
                Value::String(text)
            }
        };
        if fields.insert(name.clone(), value).is_some() {
            return Err(vec![wrong(&name, "is there twice".to_owned())]);
        }
    }
    of_fields(fields)
}

/// Everything that is wrong with the fields of a body.
#[must_use]
pub fn faults(known: &[Field], unknown: Unknown, fields: &Map<String, Value>) -> Vec<Wrong> {
    let mut all = Vec::new();
    check(known, unknown, fields, "", &mut all);
    all
}

fn of_fields<T: Body>(fields: Map<String, Value>) -> Result<T, Vec<Wrong>> {
    let all = faults(T::FIELDS, T::UNKNOWN, &fields);
    if !all.is_empty() {
        return Err(all);
    }
    // Cannot fail once every field is as its kind says; if it does, the reason may hold a value.
    serde_json::from_value(Value::Object(fields)).map_err(|_| whole("Malformed body".to_owned()))
}

fn check(known: &[Field], unknown: Unknown, fields: &Map<String, Value>, above: &str, all: &mut Vec<Wrong>) {
    for field in known {
        let path = format!("{above}{}", field.name);
        match fields.get(field.name) {
            None | Some(Value::Null) if field.required => all.push(wrong(&path, "is missing".to_owned())),
            None | Some(Value::Null) => {}
            Some(Value::Object(inner)) if matches!(field.kind, Kind::Object(_)) => {
                if let Kind::Object(known) = field.kind {
                    check(known, unknown, inner, &format!("{path}."), all);
                }
            }
            Some(value) => all.extend(fault(&field.kind, value).map(|message| wrong(&path, message))),
        }
    }
    if unknown == Unknown::Refused {
        let strangers = fields
            .keys()
            .filter(|name| known.iter().all(|field| field.name != *name));
        all.extend(strangers.map(|name| {
            let shown: String = name.chars().take(NAME_CHARS_MAX).collect();
            wrong(&format!("{above}{shown}"), "is not a field of this call".to_owned())
        }));
    }
    all.truncate(WRONG_MAX);
}

/// Why a value is not of a kind.
fn fault(kind: &Kind, value: &Value) -> Option<String> {
    match (*kind, value) {
        (Kind::Text { min, max }, Value::String(text)) => {
            let characters = text.chars().count();
            if characters > max {
                Some(format!("must have at most {max} characters"))
            } else if characters < min {
                Some(if min == 1 {
                    "must not be empty".to_owned()
                } else {
                    format!("must have at least {min} characters")
                })
            } else {
                None
            }
        }
        (Kind::Flag, Value::Bool(_)) => None,
        (Kind::Count { min, max }, Value::Number(number)) => match number.as_u64() {
            Some(count) if (min..=max).contains(&count) => None,
            Some(_) | None => Some(format!("must be a whole number from {min} to {max}")),
        },
        (Kind::OneOf(words), Value::String(text)) => {
            (!words.contains(&text.as_str())).then(|| format!("must be one of {}", words.join(", ")))
        }
        (Kind::Counts { min, max, items_max }, Value::Array(items)) => {
            let good = |item: &Value| item.as_u64().is_some_and(|count| (min..=max).contains(&count));
            (items.len() > items_max || !items.iter().all(good))
                .then(|| format!("must be at most {items_max} whole numbers from {min} to {max}"))
        }
        (Kind::Text { .. } | Kind::OneOf(_), _) => Some("must be a string".to_owned()),
        (Kind::Flag, _) => Some("must be true or false".to_owned()),
        (Kind::Count { .. }, _) => Some("must be a whole number".to_owned()),
        (Kind::Counts { .. }, _) => Some("must be a list of whole numbers".to_owned()),
        (Kind::Object(_), _) => Some("must be an object".to_owned()),
    }
}

fn wrong(field: &str, message: String) -> Wrong {
    Wrong {
        field: field.to_owned(),
        message,
    }
}

fn whole(message: String) -> Vec<Wrong> {
    vec![wrong("", message)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        unreachable_pub,
        dead_code,
        reason = "the macro makes public types, as the contract needs them"
    )]
    mod samples {
        use super::Kind;

        bodies! {
            /// Of a test.
            strict Strict {
                /// A word.
                name: String = Kind::Text { min: 1, max: 3 },
                /// A choice.
                choice as "theChoice": Option<String> = Kind::OneOf(&["a", "b"]),
                /// A count.
                count: Option<u64> = Kind::Count { min: 1, max: 9 },
                /// A flag.
                flag: Option<bool> = Kind::Flag,
            }
            /// The same, for a dialect.
            lenient Lenient {
                /// A word.
                name: String = Kind::Text { min: 0, max: 3 },
            }
        }
    }

    use samples::{Lenient, Strict};

    fn told(body: &str) -> Vec<String> {
        match read::<Strict>(body.as_bytes()) {
            Ok(_) => Vec::new(),
            Err(all) => all.into_iter().map(|w| format!("{}: {}", w.field, w.message)).collect(),
        }
    }

    #[test]
    fn a_good_body_is_read_and_null_is_absent() {
        let read = read::<Strict>(br#"{"name":"abc","theChoice":"b","count":9,"flag":null}"#)
            .ok()
            .unwrap();
        assert_eq!(
            (read.name.as_str(), read.choice.as_deref(), read.count, read.flag),
            ("abc", Some("b"), Some(9), None)
        );
    }

    #[test]
    fn every_fault_is_told_by_field_and_never_by_value() {
        assert_eq!(told("{}"), ["name: is missing"]);
        assert_eq!(told(r#"{"name":"hunter2"}"#), ["name: must have at most 3 characters"]);
        assert_eq!(told(r#"{"name":""}"#), ["name: must not be empty"]);
        assert_eq!(
            told(r#"{"name":7,"theChoice":"c","count":0,"flag":"x","colour":1}"#),
            [
                "name: must be a string",
                "theChoice: must be one of a, b",
                "count: must be a whole number from 1 to 9",
                "flag: must be true or false",
                "colour: is not a field of this call"
            ]
        );
        assert_eq!(told("[]"), [": The body must be a JSON object"]);
        assert_eq!(told("{"), [": Malformed JSON at line 1, column 1"]);
        assert_eq!(
            told(r#"{"name":"a","count":1.5}"#),
            ["count: must be a whole number from 1 to 9"]
        );
    }

    #[test]
    fn characters_are_code_points() {
        assert!(read::<Strict>("{\"name\":\"\u{e9}\u{e9}\u{e9}\"}".as_bytes()).is_ok());
    }

    #[test]
    fn a_dialect_ignores_what_it_does_not_know() {
        assert!(read::<Lenient>(br#"{"name":"a","colour":[1]}"#).is_ok());
    }

    #[test]
    fn queries_are_read_with_the_same_table() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let read = read_query::<Strict>([pair("name", "abc"), pair("count", "3"), pair("flag", "true")])
            .ok()
            .unwrap();
        assert_eq!((read.count, read.flag), (Some(3), Some(true)));
        for bad in [
            pair("count", "x"),
            pair("count", "-1"),
            pair("flag", "1"),
            pair("colour", ""),
        ] {
            assert!(read_query::<Strict>([pair("name", "abc"), bad]).is_err());
        }
        assert!(read_query::<Strict>([pair("name", "a"), pair("name", "b")]).is_err());
    }

    #[test]
    fn the_schema_says_what_the_reader_checks() {
        let json = serde_json::to_value(crate::schema::schema(Strict::FIELDS, Strict::UNKNOWN)).unwrap();
        assert_eq!(json["required"], serde_json::json!(["name"]));
        assert_eq!(json["additionalProperties"], false);
        assert_eq!(json["properties"]["name"]["maxLength"], 3);
        assert_eq!(json["properties"]["count"]["maximum"], 9);
        assert_eq!(
            json["properties"]["theChoice"]["enum"],
            serde_json::json!(["a", "b", null])
        );
    }
}
