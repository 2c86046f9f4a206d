//! A JSON object whose fields are taken out one by one, so that nothing in it goes unread.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::line::LineError;

/// The fields of a JSON object that nobody has asked for yet.
pub(super) struct Object {
    /// Where it stands in its line: empty, or a path with a dot at its end.
    path: String,
    fields: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Object {
    /// Reads a line's object.
    pub(super) fn parse(text: &str) -> Result<Self, LineError> {
        let UniqueFields(fields) = serde_json::from_str(text).map_err(|error| LineError::not_json(&error))?;
        Ok(Self { path: String::new(), fields, known: Vec::new() })
    }

    /// Takes a field as it is.
    pub(super) fn value(&mut self, name: &'static str) -> Result<Value, LineError> {
        self.known.push(name);
        self.fields.remove(name).ok_or_else(|| LineError::Missing {
            field: self.name(name),
            found: self.fields.keys().cloned().collect(),
        })
    }

    /// Takes a field that has to be there.
    pub(super) fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, LineError> {
        let value = self.value(name)?;
        self.read(name, value)
    }

    /// Takes a field that may be missing, or `null`.
    pub(super) fn optional<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, LineError> {
        self.known.push(name);
        self.fields.remove(name).map_or(Ok(None), |value| self.read(name, value))
    }

    /// Takes a field that is a list of objects, each made into something by `read`.
    pub(super) fn objects<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(Self) -> Result<T, LineError>,
    ) -> Result<Vec<T>, LineError> {
        let Value::Array(values) = self.value(name)? else {
            return Err(self.wrong(name, "expected a list of objects".to_owned()));
        };
        let object = |(index, value)| {
            let path = format!("{}{name}[{index}]", self.path);
            match value {
                Value::Object(fields) => read(Self { path: path + ".", fields, known: Vec::new() }),
                _ => Err(LineError::Field { field: path, problem: "expected an object".to_owned() }),
            }
        };
        values.into_iter().enumerate().map(object).collect()
    }

    /// Makes sure that every field was taken.
    pub(super) fn finish(self) -> Result<(), LineError> {
        match self.fields.keys().next() {
            None => Ok(()),
            Some(field) => Err(LineError::Unknown { field: self.name(field), known: self.known }),
        }
    }

    /// The error of a field that is there, but of no use.
    pub(super) fn wrong(&self, name: &str, problem: String) -> LineError {
        LineError::Field { field: self.name(name), problem }
    }

    fn read<T: DeserializeOwned>(&self, name: &str, value: Value) -> Result<T, LineError> {
        T::deserialize(value).map_err(|error| self.wrong(name, error.to_string()))
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }
}

/// A JSON object in which no field stands twice, which serde_json would let pass.
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
                        return Err(A::Error::custom(format_args!("field `{name}` stands there twice")));
                    }
                    fields.insert(name, value);
                }
                Ok(UniqueFields(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}
