//! A JSON object whose fields are removed one by one, so that fields left over can be rejected.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::line::LineError;

/// The fields of a JSON object that have not been read yet.
pub(super) struct Object {
    /// The object's path within the line: empty, or ending with a dot.
    path: String,
    fields: Map<String, Value>,
    /// The names of the fields that were read.
    expected: Vec<&'static str>,
}

impl Object {
    /// Parses a line.
    pub(super) fn parse(text: &str) -> Result<Self, LineError> {
        let UniqueFields(fields) = serde_json::from_str(text).map_err(|error| LineError::not_json(&error))?;
        Ok(Self { path: String::new(), fields, expected: Vec::new() })
    }

    /// Removes a field and returns its value.
    pub(super) fn value(&mut self, name: &'static str) -> Result<Value, LineError> {
        self.expected.push(name);
        self.fields.remove(name).ok_or_else(|| LineError::Missing {
            field: self.path_of(name),
            found: self.fields.keys().cloned().collect(),
        })
    }

    /// Removes a required field and deserialises it.
    pub(super) fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, LineError> {
        let value = self.value(name)?;
        self.deserialize(name, value)
    }

    /// Removes an optional field, which may be missing or `null`, and deserialises it.
    pub(super) fn optional<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, LineError> {
        self.expected.push(name);
        self.fields.remove(name).map_or(Ok(None), |value| self.deserialize(name, value))
    }

    /// Removes a required field that is a list of objects, and converts each object with `read`.
    pub(super) fn objects<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(Self) -> Result<T, LineError>,
    ) -> Result<Vec<T>, LineError> {
        let Value::Array(values) = self.value(name)? else {
            return Err(self.invalid(name, "expected a list of objects".to_owned()));
        };
        let object = |(index, value)| {
            let path = format!("{}{name}[{index}]", self.path);
            match value {
                Value::Object(fields) => read(Self { path: path + ".", fields, expected: Vec::new() }),
                _ => Err(LineError::Field { field: path, problem: "expected an object".to_owned() }),
            }
        };
        values.into_iter().enumerate().map(object).collect()
    }

    /// Checks that all fields have been read.
    pub(super) fn finish(self) -> Result<(), LineError> {
        match self.fields.keys().next() {
            None => Ok(()),
            Some(field) => Err(LineError::Unknown { field: self.path_of(field), expected: self.expected }),
        }
    }

    /// Creates the error for a field with an invalid value.
    pub(super) fn invalid(&self, name: &str, problem: String) -> LineError {
        LineError::Field { field: self.path_of(name), problem }
    }

    fn deserialize<T: DeserializeOwned>(&self, name: &str, value: Value) -> Result<T, LineError> {
        T::deserialize(value).map_err(|error| self.invalid(name, error.to_string()))
    }

    fn path_of(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }
}

/// A JSON object without duplicate fields. serde_json alone would accept duplicates.
struct UniqueFields(Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = UniqueFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueFields, A::Error> {
                let mut fields = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if fields.contains_key(&name) {
                        return Err(A::Error::custom(format_args!("duplicate field `{name}`")));
                    }
                    fields.insert(name, value);
                }
                Ok(UniqueFields(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}
