//! What is seen, and what keys do to it.

mod live;
mod properties;
mod screens;
mod support;
