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
