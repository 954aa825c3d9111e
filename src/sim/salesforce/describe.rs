//! Describe, global and per object, as far as a client reads it. Hidden fields are left out.

use serde_json::{Value, json};

use super::org::Org;
use super::rest::{Call, Reply};
use super::schema::{Field, Kind, Object};
use super::settings::names;

pub fn global(org: &Org, call: &Call) -> Reply {
    let seen = |object: &&Object| !org.settings.hidden_objects.contains(&object.name);
    let all: Value =
        org.schema.objects.iter().filter(seen).map(|object| summary(object, &call.version)).collect();
    Reply::new(200, json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": all}))
}

/// An object's entry in the global describe.
pub fn summary(object: &Object, version: &str) -> Value {
    let base = format!("/services/data/{version}/sobjects/{}", object.name);
    json!({
        "activateable": false, "createable": object.writable, "custom": object.name.ends_with("__c"),
        "customSetting": false, "deepCloneable": false, "deletable": object.writable,
        "deprecatedAndHidden": false, "feedEnabled": object.name == "Case", "hasSubtypes": false,
        "isInterface": false, "isSubtype": false, "keyPrefix": object.prefix, "label": object.label,
        "labelPlural": format!("{}s", object.label), "layoutable": true, "mergeable": object.name == "Case",
        "mruEnabled": true, "name": object.name, "queryable": true, "replicateable": true,
        "retrieveable": true, "searchable": true, "triggerable": true, "undeletable": object.writable,
        "updateable": object.writable,
        "urls": {"sobject": base, "describe": format!("{base}/describe"), "rowTemplate": format!("{base}/{{ID}}")},
    })
}

pub fn object(org: &Org, object: &Object, version: &str) -> Value {
    let mut description = summary(object, version);
    let fields = object.fields.iter().filter(|field| org.sees(true, object, field));
    description["fields"] = fields.map(|known| field(org, object, known)).collect();
    let children = object.children.iter().map(|child| {
        json!({"cascadeDelete": child.relationship == "CaseComments", "childSObject": child.object,
            "deprecatedAndHidden": false, "field": child.field, "junctionIdListNames": [],
            "junctionReferenceTo": [], "relationshipName": child.relationship, "restrictedDelete": false})
    });
    description["childRelationships"] = children.collect();
    description["recordTypeInfos"] = record_types(org, object);
    description["supportedScopes"] = json!([{"label": "All", "name": "everything"}]);
    description
}

fn record_types(org: &Org, object: &Object) -> Value {
    let table = org.schema.object("RecordType").and_then(|kind| org.table(kind));
    let own = |row: &&super::table::Row| row.now.get("SobjectType") == Some(&json!(object.name));
    let rows = table.map_or(&[][..], |table| table.rows()).iter().filter(own).enumerate();
    let mut infos: Vec<Value> = rows
        .map(|(place, row)| {
            json!({"active": true, "available": true, "defaultRecordTypeMapping": place == 0,
                "developerName": row.now.get("DeveloperName"), "master": false,
                "name": row.now.get("Name"), "recordTypeId": row.now.get("Id")})
        })
        .collect();
    infos.push(json!({"active": true, "available": true, "defaultRecordTypeMapping": infos.is_empty(),
        "developerName": "Master", "master": true, "name": "Master", "recordTypeId": "012000000000000AAA"}));
    Value::Array(infos)
}

fn field(org: &Org, object: &Object, field: &Field) -> Value {
    let (kind, soap) = types(field);
    let is_text = soap == "xsd:string";
    let number = field.kind == Kind::Number;
    let (settings, name) = (&org.settings, &object.name);
    let restricted = field.restricted || names(&settings.restricted_picklists, name, &field.name);
    let read_only = names(&settings.read_only_fields, name, &field.name);
    let required = field.required || names(&settings.required_fields, name, &field.name);
    let system = !field.create && !field.update;
    let length = match field.kind {
        Kind::Id | Kind::Reference => 18,
        _ if is_text => field.length,
        _ => 0,
    };
    let mut described = json!({
        "aggregatable": field.filterable, "aiPredictionField": false,
        "autoNumber": field.name == "CaseNumber", "byteLength": length * 3,
        "calculated": false, "calculatedFormula": null, "cascadeDelete": false,
        "caseSensitive": field.case_sensitive, "compoundFieldName": null, "controllerName": null,
        "createable": object.writable && field.create && !read_only, "custom": field.custom(),
        "defaultValue": if field.kind == Kind::Boolean { json!(false) } else { Value::Null },
        "defaultValueFormula": null, "defaultedOnCreate": !field.default.is_null() || system,
        "dependentPicklist": false, "deprecatedAndHidden": false, "digits": 0,
    });
    let middle = json!({
        "displayLocationInDecimal": false, "encrypted": false, "externalId": field.external_id,
        "extraTypeInfo": if field.kind == Kind::LongText { json!("plaintextarea") } else { Value::Null },
        "filterable": field.filterable, "filteredLookupInfo": null, "formulaTreatNullNumberAsZero": false,
        "groupable": field.filterable && field.kind != Kind::LongText, "highScaleNumber": false,
        "htmlFormatted": false, "idLookup": field.external_id || field.kind == Kind::Id,
        "inlineHelpText": null, "label": field.label, "length": length, "mask": null, "maskType": null,
        "name": field.name, "nameField": matches!(field.name.as_str(), "CaseNumber" | "Name"),
        "namePointing": field.refers_to.len() > 1,
    });
    let end = json!({
        "nillable": !(required || system || field.kind == Kind::Boolean),
        "permissionable": !system && !field.required, "picklistValues": picklist(field),
        "polymorphicForeignKey": field.refers_to.len() > 1, "precision": if number { field.length } else { 0 },
        "queryByDistance": false, "referenceTargetField": null, "referenceTo": field.refers_to,
        "relationshipName": if field.relationship.is_empty() { Value::Null } else { json!(field.relationship) },
        "relationshipOrder": null, "restrictedDelete": false,
        "restrictedPicklist": field.kind == Kind::Picklist && restricted, "scale": field.scale,
        "searchPrefilterable": false, "soapType": soap,
        "sortable": field.filterable && field.kind != Kind::LongText, "type": kind, "unique": field.unique,
        "updateable": object.writable && field.update && !read_only, "writeRequiresMasterRead": false,
    });
    for part in [middle, end] {
        if let (Some(all), Value::Object(part)) = (described.as_object_mut(), part) {
            all.extend(part);
        }
    }
    described
}

fn picklist(field: &Field) -> Value {
    let values = field.values.iter().map(|value| {
        json!({"active": true, "defaultValue": field.default == json!(value), "label": value,
            "validFor": null, "value": value})
    });
    values.collect()
}

fn types(field: &Field) -> (&'static str, &'static str) {
    match field.kind {
        Kind::Id => ("id", "tns:ID"),
        Kind::Reference => ("reference", "tns:ID"),
        Kind::Text => ("string", "xsd:string"),
        Kind::LongText => ("textarea", "xsd:string"),
        Kind::Email => ("email", "xsd:string"),
        Kind::Phone => ("phone", "xsd:string"),
        Kind::Url => ("url", "xsd:string"),
        Kind::Picklist => ("picklist", "xsd:string"),
        Kind::Boolean => ("boolean", "xsd:boolean"),
        Kind::DateTime => ("datetime", "xsd:dateTime"),
        Kind::Date => ("date", "xsd:date"),
        Kind::Number => ("double", "xsd:double"),
    }
}
