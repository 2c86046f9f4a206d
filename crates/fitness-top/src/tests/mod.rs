//! Tests of the whole view: its screens, its reactions to keys, and a live service.

mod live;
mod properties;
mod screens;
mod support;
