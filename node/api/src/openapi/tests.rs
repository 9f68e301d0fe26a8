//! The document against the table that it is made from.

use super::*;

fn json_document() -> Value {
    serde_json::to_value(document("https://localhost:8443")).unwrap()
}

#[test]
fn every_operation_is_in_the_document_with_its_statuses_and_vice_versa() {
    let document = json_document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut described = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let known = operations::find(&method.to_uppercase(), path).unwrap_or_else(|| panic!("{method} {path}"));
            for status in operation["responses"].as_object().unwrap().keys() {
                assert!(known.has_status(status.parse().unwrap()), "{method} {path} {status}");
            }
            for status in known.errors() {
                let response = &operation["responses"][status.to_string()];
                assert!(response.is_object(), "{method} {path} {status}");
            }
            described += 1;
        }
    }
    assert_eq!(described, operations::ALL.len());
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    found.push(target.clone());
                }
                fields.values().for_each(|value| walk(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = json_document();
    let mut references = Vec::new();
    walk(&document, &mut references);
    assert!(references.len() > operations::ALL.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn codes_of_problems_are_written_as_they_are_answered() {
    let document = json_document();
    let written = &document["components"]["schemas"]["Code"]["enum"];
    let answered: Vec<&str> = problem::Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(*written, serde_json::json!(answered));
}

#[test]
fn every_error_names_the_codes_that_it_may_have_and_no_others() {
    let document = json_document();
    for operation in operations::ALL.iter().filter(|one| one.surface() == Surface::V1) {
        let described = &document["paths"][operation.path][operation.method.as_str().to_lowercase()];
        let mut named = Vec::new();
        for status in operation.errors() {
            let content = &described["responses"][status.to_string()]["content"][problem::MEDIA_TYPE];
            let codes = content["schema"]["allOf"][1]["properties"]["code"]["enum"].as_array();
            for code in codes.unwrap_or_else(|| panic!("{} {status}: {content}", operation.id)) {
                let known = Code::ALL.iter().find(|known| code == known.as_str()).unwrap();
                assert_eq!(known.status(), status, "{}", operation.id);
                named.push(*known);
            }
        }
        let mut codes = operation.codes();
        codes.sort_by_key(|code| code.status());
        assert_eq!(named, codes, "{}", operation.id);
    }
}

#[test]
fn every_example_is_a_body_that_its_call_reads() {
    let document = json_document();
    let mut examples = 0;
    for operation in operations::ALL {
        let Some(body) = &operation.body else { continue };
        let described = &document["paths"][operation.path][operation.method.as_str().to_lowercase()];
        let example = &described["requestBody"]["content"]["application/json"]["example"];
        let wrong = crate::body::faults(body.fields, body.unknown, example.as_object().unwrap());
        assert!(wrong.is_empty(), "{}: {wrong:?} in {example}", operation.id);
        examples += 1;
    }
    assert!(examples > 20, "{examples}");
}

#[test]
fn guarded_operations_say_so_and_open_ones_do_not() {
    let document = json_document();
    for operation in operations::ALL {
        let described = &document["paths"][operation.path][operation.method.as_str().to_lowercase()];
        let guarded = described["security"].as_array().is_some_and(|needs| !needs.is_empty());
        assert_eq!(guarded, operation.access != Access::Open, "{}", operation.id);
    }
}
