//! The schemas of bodies, made from the table that they are read with.

use crate::body::{Field, Kind, Unknown};
use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};

/// The schema of fields, as the document has it.
#[must_use]
pub(crate) fn schema(fields: &[Field], unknown: Unknown) -> Schema {
    let mut object = ObjectBuilder::new();
    for field in fields {
        object = object.property(field.name, field_schema(field, unknown));
        if field.required {
            object = object.required(field.name);
        }
    }
    if unknown == Unknown::Refused {
        object = object.additional_properties(Some(AdditionalProperties::FreeForm(false)));
    }
    Schema::Object(object.build())
}

/// Texts that fields are shown with.
const TEXTS: &[(&str, &str)] = &[
    ("identifier", "maria"),
    ("username", "maria"),
    ("email", "maria@example.org"),
    ("new_password", "violet harbour ladder 29"),
    ("password", "correct horse battery staple"),
    ("password1", "correct horse battery staple"),
    ("password2", "correct horse battery staple"),
    ("security_code", "862413"),
    ("otpCode", "123456"),
    ("code", "123456"),
    ("label", "phone"),
    ("zone", "America/Sao_Paulo"),
];

/// A body as a client may write it, with every field that must be there.
#[must_use]
pub(crate) fn example(fields: &[Field]) -> Value {
    let shown = fields.iter().filter(|field| field.required);
    Value::Object(shown.map(|field| (field.name.to_owned(), example_of(field))).collect())
}

fn example_of(field: &Field) -> Value {
    match field.kind {
        Kind::Text { .. } => {
            let known = TEXTS.iter().find(|(name, _)| *name == field.name);
            // Tokens and ids are not guessed at.
            known.map_or("…", |(_, text)| text).into()
        }
        Kind::Flag => true.into(),
        Kind::Count { min, .. } => min.into(),
        Kind::OneOf(words) => words.first().copied().unwrap_or_default().into(),
        Kind::Counts { min, .. } => vec![min].into(),
        Kind::Object(fields) => example(fields),
    }
}

/// The schema of one field.
#[must_use]
pub(crate) fn field_schema(field: &Field, unknown: Unknown) -> Schema {
    let about = Some(field.about.trim());
    let typed = |kind: Type| {
        let kind = if field.required {
            SchemaType::Type(kind)
        } else {
            SchemaType::from_iter([kind, Type::Null])
        };
        ObjectBuilder::new().schema_type(kind).description(about)
    };
    match field.kind {
        Kind::Text { min, max } => typed(Type::String)
            .min_length(Some(min))
            .max_length(Some(max))
            .build()
            .into(),
        Kind::Flag => typed(Type::Boolean).build().into(),
        Kind::Count { min, max } => number(typed(Type::Integer), min, max).into(),
        Kind::OneOf(words) => {
            let mut values: Vec<Value> = words.iter().map(|word| Value::from(*word)).collect();
            if !field.required {
                values.push(Value::Null);
            }
            typed(Type::String).enum_values(Some(values)).build().into()
        }
        Kind::Counts { min, max, items_max } => ArrayBuilder::new()
            .items(number(
                ObjectBuilder::new().schema_type(SchemaType::Type(Type::Integer)),
                min,
                max,
            ))
            .max_items(Some(items_max))
            .description(about)
            .build()
            .into(),
        Kind::Object(fields) => schema(fields, unknown),
    }
}

fn number(builder: ObjectBuilder, min: u64, max: u64) -> utoipa::openapi::schema::Object {
    let bound = |value: u64| utoipa::Number::UInt(usize::try_from(value).unwrap_or(usize::MAX));
    builder.minimum(Some(bound(min))).maximum(Some(bound(max))).build()
}
