//! The OpenAPI 3.1 document, made from the table of operations and the types that it names.

use crate::body::{Field, Unknown};
use crate::limits::IDEMPOTENCY_KEY_CHARS_MAX;
use crate::operation::{Access, Method, Operation, Shape, Surface, Typed};
use crate::problem::Code;
use crate::schema::{example, field_schema, schema};
use crate::{dialect_002, dialect_003, dialect_004, operations, problem};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema as _;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{
    AllOfBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, ContentBuilder, HeaderBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathItem,
    PathsBuilder, Ref, RefOr, Required, ResponseBuilder, ServerBuilder,
};

/// Access token in the `Authorization` header.
const BEARER: &str = "bearer";
/// Access token in a cookie.
const COOKIE: &str = "cookie";
/// Enrolment token in the `Authorization` header.
const ENROLMENT: &str = "enrolment";
/// Cookie of the access token.
const ACCESS_COOKIE: &str = "__Host-access_token";

/// The document. `server` is the origin that clients reach the service under.
#[must_use]
pub fn document(server: &str) -> OpenApi {
    let mut schemas: BTreeMap<String, RefOr<Schema>> = BTreeMap::new();
    for error in [
        Typed::of::<problem::Problem>(),
        Typed::of::<dialect_002::ErrorBody>(),
        Typed::of::<dialect_003::ErrorBody>(),
        Typed::of::<dialect_004::Envelope>(),
    ] {
        collect(error, &mut schemas);
    }
    let mut paths: BTreeMap<&str, PathItem> = BTreeMap::new();
    for operation in operations::ALL {
        collect_operation(operation, &mut schemas);
        let item = paths.entry(operation.path).or_default();
        item.merge_operations(PathItem::new(method(operation.method), describe(operation)));
    }
    let mut all = PathsBuilder::new();
    for (path, item) in paths {
        all = all.path(path, item);
    }
    let mut components = ComponentsBuilder::new();
    for (name, schema) in schemas {
        components = components.schema(name, schema);
    }
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("tfauth")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(
                    "Two-factor authentication. Paths answer with and without a trailing slash. Every POST accepts \
                     Idempotency-Key. 429 and 503 carry Retry-After and are not kept for a key.",
                ))
                .build(),
        )
        .servers(Some([ServerBuilder::new().url(server).build()]))
        .paths(all.build())
        .components(Some(with_security(components).build()))
        .build()
}

fn with_security(components: ComponentsBuilder) -> ComponentsBuilder {
    let bearer = |about: &str| {
        let mut http = Http::new(HttpAuthScheme::Bearer);
        http.description = Some(about.to_owned());
        SecurityScheme::Http(http)
    };
    components
        .security_scheme(BEARER, bearer("An access token."))
        .security_scheme(
            ENROLMENT,
            bearer("An enrolment token, as a login without a second factor answers it."),
        )
        .security_scheme(
            COOKIE,
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                ACCESS_COOKIE,
                "An access token, for browsers. Requests that change something must come from the service's own pages.",
            ))),
        )
}

fn collect_operation(operation: &Operation, schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    if let Some(body) = &operation.body {
        schemas.insert(body.name.to_owned(), schema(body.fields, body.unknown).into());
    }
    for answer in operation.answers {
        match answer.shape {
            Shape::Json(typed) => collect(typed, schemas),
            Shape::OneOf(types) => types.iter().for_each(|typed| collect(*typed, schemas)),
            Shape::Empty | Shape::Media(_) => {}
        }
    }
}

/// A type's schema under its name, and all that it refers to. Lists have no name of their own.
fn collect(typed: Typed, schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let mut others = Vec::new();
    (typed.others)(&mut others);
    schemas.extend(others);
    if let RefOr::T(Schema::Object(object)) = (typed.schema)() {
        schemas.insert((typed.name)().into_owned(), Schema::Object(object).into());
    }
}

fn describe(operation: &Operation) -> utoipa::openapi::path::Operation {
    let mut described = OperationBuilder::new()
        .operation_id(Some(operation.id))
        .tag(operation.group)
        .summary(Some(operation.about))
        .description(Some(format!("For {}.", operation.access.about())));
    for name in operation.parameters() {
        described = described.parameter(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(text())),
        );
    }
    for field in operation.query {
        described = described.parameter(
            ParameterBuilder::new()
                .name(field.name)
                .parameter_in(ParameterIn::Query)
                .required(if field.required {
                    Required::True
                } else {
                    Required::False
                })
                .description(Some(field.about.trim()))
                // A parameter that is left out is not null.
                .schema(Some(field_schema(
                    &Field {
                        required: true,
                        ..*field
                    },
                    Unknown::Ignored,
                ))),
        );
    }
    for header in headers(operation) {
        described = described.parameter(header);
    }
    if let Some(body) = &operation.body {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(body.name)))
            .example(example_of(operation))
            .build();
        let required = if body.optional { Required::False } else { Required::True };
        let body = RequestBodyBuilder::new()
            .content("application/json", content)
            .required(Some(required));
        described = described.request_body(Some(body.build()));
    }
    for requirement in requirements(operation.access) {
        described = described.security(requirement);
    }
    for answer in operation.answers {
        described = described.response(answer.status.to_string(), answered(answer.about, answer.shape));
    }
    for status in operation.errors() {
        // What the dialect counts as an answer is described already.
        if operation.answers.iter().all(|answer| answer.status != status) {
            let codes: Vec<Code> = operation
                .codes()
                .into_iter()
                .filter(|code| code.status() == status)
                .collect();
            described = described.response(status.to_string(), refused(operation.surface(), status, &codes));
        }
    }
    described.build()
}

/// A body of a call as a client may write it; none for a call that takes none.
#[must_use]
pub fn example_of(operation: &Operation) -> Option<Value> {
    operation.body.map(|body| example(body.fields))
}

fn headers(operation: &Operation) -> Vec<ParameterBuilder> {
    let header = |name: &str, required: Required, about: &str| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(required)
            .description(Some(about))
            .schema(Some(text()))
    };
    let mut all = Vec::new();
    if operation.method == Method::Post {
        let key = ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .min_length(Some(1))
            .max_length(Some(IDEMPOTENCY_KEY_CHARS_MAX))
            .pattern(Some("^[!-~]+$"));
        let about = "The same key with the same body within 24 hours gets the first answer, refusals included, and is not \
                     charged again; with another body 422. Answers about the moment or about the caller are not kept: 429, 503, \
                     401 unauthenticated and session_revoked, 403 step_up_required, and 403 where a role is missing; nor \
                     what is refused before it is evaluated (400, 413, 415). A key belongs to the session that shows it, \
                     without one to the network of the client, where it is kept for as long as there is room.";
        all.push(header("Idempotency-Key", Required::False, about).schema(Some(key)));
    }
    if operation.if_match {
        let about = "The version that is changed, as `ETag` told it.";
        all.push(header("If-Match", Required::True, about));
    }
    all
}

fn requirements(access: Access) -> Vec<SecurityRequirement> {
    let needs = |name: &str| SecurityRequirement::new::<_, [String; 0], String>(name, []);
    match access {
        Access::Open => Vec::new(),
        Access::Session | Access::StepUp | Access::Admin | Access::AdminStepUp => vec![needs(BEARER), needs(COOKIE)],
        Access::Enrolment => vec![needs(ENROLMENT), needs(BEARER), needs(COOKIE)],
    }
}

fn answered(about: &str, shape: Shape) -> ResponseBuilder {
    let response = ResponseBuilder::new().description(about);
    match shape {
        Shape::Empty => response,
        Shape::Json(typed) => response.content("application/json", json(reference(typed))),
        Shape::OneOf(types) => {
            let one_of = types
                .iter()
                .fold(OneOfBuilder::new(), |all, typed| all.item(reference(*typed)));
            response.content("application/json", json(RefOr::T(Schema::OneOf(one_of.build()))))
        }
        Shape::Media(kinds) => kinds.iter().fold(response, |response, kind| {
            let anything = ContentBuilder::new().build();
            response.content(*kind, anything)
        }),
    }
}

/// A named type by its name, a list as itself.
fn reference(typed: Typed) -> RefOr<Schema> {
    match (typed.schema)() {
        RefOr::T(Schema::Object(_)) => RefOr::Ref(Ref::from_schema_name((typed.name)())),
        itself @ (RefOr::T(_) | RefOr::Ref(_)) => itself,
    }
}

/// An error's schema, with the codes that it may have here.
fn error_schema(surface: Surface, codes: &[Code]) -> RefOr<Schema> {
    let one_of = |words: Vec<&str>| {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .enum_values(Some(words))
    };
    let narrowed = |name: std::borrow::Cow<'static, str>, property: &str, schema: RefOr<Schema>| {
        let narrow = ObjectBuilder::new().property(property, schema);
        let all = AllOfBuilder::new().item(Ref::from_schema_name(name)).item(narrow);
        RefOr::T(Schema::AllOf(all.build()))
    };
    match surface {
        Surface::V1 => {
            let words = codes.iter().map(|code| code.as_str()).collect();
            narrowed(problem::Problem::name(), "code", one_of(words).into())
        }
        Surface::Dialect002 => RefOr::Ref(Ref::from_schema_name(dialect_002::ErrorBody::name())),
        Surface::Dialect003 => RefOr::Ref(Ref::from_schema_name(dialect_003::ErrorBody::name())),
        Surface::Dialect004 => {
            let mut words: Vec<&str> = codes.iter().map(|code| dialect_004::words(*code).0).collect();
            words.dedup();
            let error = ObjectBuilder::new().property("code", one_of(words));
            narrowed(dialect_004::Envelope::name(), "error", error.into())
        }
    }
}

fn refused(surface: Surface, status: u16, codes: &[Code]) -> ResponseBuilder {
    let kind = match surface {
        Surface::V1 => problem::MEDIA_TYPE,
        Surface::Dialect002 | Surface::Dialect003 | Surface::Dialect004 => "application/json",
    };
    let about = match status {
        400 => "Something is wrong with the request.",
        401 => "Not proven: no token, a wrong one, or wrong credentials.",
        403 => "Not allowed.",
        404 => "Not found.",
        409 => "In conflict with what exists.",
        412 => "Somebody else changed it.",
        413 => "The body is larger than 64 KiB.",
        414 => "Path and query are longer than 4,096 bytes.",
        415 => "The body is not JSON.",
        422 => "The Idempotency-Key was used with another body.",
        428 => "If-Match is missing.",
        429 => "Too many attempts.",
        500 => "A fault of the service.",
        503 => "Overloaded, or no quorum.",
        _ => "An error.",
    };
    let about = match surface {
        Surface::V1 => format!("{about} {}", told(codes)),
        Surface::Dialect002 | Surface::Dialect003 | Surface::Dialect004 => about.to_owned(),
    };
    let response = ResponseBuilder::new()
        .description(about)
        .content(kind, json(error_schema(surface, codes)));
    if matches!(status, 429 | 503) {
        let seconds = ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::Integer))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
        let header = HeaderBuilder::new()
            .description(Some("Seconds to wait."))
            .schema(seconds);
        return response.header("Retry-After", header.build());
    }
    response
}

/// Codes for people.
fn told(codes: &[Code]) -> String {
    let words: Vec<String> = codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
    format!("Codes: {}.", words.join(", "))
}

fn json(schema: RefOr<Schema>) -> Content {
    ContentBuilder::new().schema(Some(schema)).build()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

fn method(method: Method) -> HttpMethod {
    match method {
        Method::Get => HttpMethod::Get,
        Method::Post => HttpMethod::Post,
        Method::Put => HttpMethod::Put,
        Method::Patch => HttpMethod::Patch,
        Method::Delete => HttpMethod::Delete,
    }
}

#[cfg(test)]
mod tests;
