//! What is seen, and what keys do to it.

mod screens;
mod support;
