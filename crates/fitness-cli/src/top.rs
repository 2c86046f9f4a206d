//! `top`: peers as they come and go, on the terminal.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

use clap::builder::{TypedValueParser, ValueParserFactory};
use fitness_actor::Archive;
use fitness_core::NodeId;
use fitness_top::{Source, TerminalCapabilities};
use fitness_web::Web;

use crate::error::CliError;
use crate::help;
use crate::listen::{read_names, read_secret};
use crate::output::knows_unicode;
use crate::store::{StoreUrl, StoreUrlParser};

const LONG_ABOUT: &str = "\
Watch peers come and go, on the terminal.

What is asked is a service that runs, at the address of its dashboard (--listen of the other commands, or \
wherever a wallet serves it), or a store at rest, as of its last heartbeat. Keys are those of htop; F1 or h \
tells them all: arrows move, Enter opens a peer, F6 sorts, / searches, \\ filters, q quits.

Where a service goes away, what was known of it stays and is said to be not live; it goes on when the \
service is back.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness top http://127.0.0.1:8080
  ldk-fitness top https://wallet.example/fitness --token-file token
  ldk-fitness top fitness.redb
  LDK_FITNESS_STORE=postgres://fitness@db/fitness ldk-fitness top --observer 02ab…";

/// Watch peers come and go, on the terminal
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = help::end_with_stores(EXAMPLES))]
pub(crate) struct Args {
    /// The address of a service, such as http://127.0.0.1:8080; or a store, a redb file or another kind as below
    #[arg(env = "LDK_FITNESS_STORE", hide_env_values = true, value_name = "ADDRESS|STORE")]
    place: Place,

    /// The token of the service is in this file; by default in the variable LDK_FITNESS_TOKEN, if anywhere
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Of a store in which several nodes have observed, this one
    #[arg(long, value_name = "NODE_ID")]
    observer: Option<NodeId>,

    /// What the peers of a store are called: a file with a node id and a name a line
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,

    /// Draw with ASCII characters alone
    ///
    /// It is the default where the locale is not UTF-8.
    #[arg(long)]
    ascii: bool,
}

/// What is asked.
#[derive(Clone, Debug)]
enum Place {
    Service(String),
    Store(StoreUrl),
}

impl ValueParserFactory for Place {
    type Parser = PlaceParser;

    fn value_parser() -> PlaceParser {
        PlaceParser
    }
}

/// Reads a place from the command line. Of neither kind it repeats what was typed.
#[derive(Clone, Copy, Debug)]
struct PlaceParser;

impl TypedValueParser for PlaceParser {
    type Value = Place;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Place, clap::Error> {
        let scheme = value.to_str().and_then(|text| text.split_once("://"));
        match (scheme, value.to_str()) {
            (Some((scheme, _)), Some(text))
                if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
            {
                Ok(Place::Service(text.to_owned()))
            }
            _ => StoreUrlParser.parse_ref(command, argument, value).map(Place::Store),
        }
    }
}

/// Shows what is known until the user has seen enough.
///
/// # Errors
///
/// Standard output that is no terminal, a service that does not answer, or a store that cannot be read.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let colour = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
    let look = TerminalCapabilities { unicode: !args.ascii && knows_unicode(), colour };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(CliError::Runtime)?.block_on(async {
        match &args.place {
            Place::Service(address) => {
                args.refuse("--observer", args.observer.is_some(), "a store; a service says who observes")?;
                args.refuse("--names", args.names.is_some(), "a store; a service knows its peers' names")?;
                let token = read_secret(args.token_file.as_deref())?;
                Ok(fitness_top::run(Source::service(address, token.as_deref())?, look).await?)
            }
            Place::Store(url) => {
                args.refuse("--token-file", args.token_file.is_some(), "a service; a store has no token")?;
                let names = args.names.as_deref().map(read_names).transpose()?.unwrap_or_default();
                let store = url.open_read_only().await?;
                let observer = url.one_observer(&*store, args.observer).await?;
                let known = Archive::open(observer, store).await?;
                let web = Web::builder(known.handle()).aliases(move |node_id| names.get(node_id).cloned());
                let source = Source::archive(web.build().router(), url.to_string());
                Ok(fitness_top::run(source, look).await?)
            }
        }
    })
}

impl Args {
    /// An option that has no meaning here is not passed over in silence.
    fn refuse(&self, option: &'static str, is_given: bool, meant: &'static str) -> Result<(), CliError> {
        if is_given { Err(CliError::NotMeant { option, meant }) } else { Ok(()) }
    }
}
