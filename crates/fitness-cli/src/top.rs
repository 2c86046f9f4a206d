//! The `top` command: a live view of peers in the terminal.

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
use crate::listen::{read_aliases, read_token};
use crate::output::supports_unicode;
use crate::store::{StoreUrl, StoreUrlParser};

const LONG_ABOUT: &str = "\
Show peers and their status in the terminal, live.

The source is a running service, given by the URL of its dashboard (--listen of other commands, or the \
address on which a wallet serves it), or a store, as of its last heartbeat. The keys are those of htop: \
arrow keys move, Enter opens a peer, F6 sorts, / searches, \\ filters, q quits; F1 or h lists all keys.

If the service becomes unreachable, its last data stays on the screen, marked as not live, and the view \
reconnects when the service is back.";

const EXAMPLES: &str = "\
Examples:
  ldk-fitness top http://127.0.0.1:8080
  ldk-fitness top https://wallet.example/fitness --token-file token
  ldk-fitness top fitness.redb
  LDK_FITNESS_STORE=postgres://fitness@db/fitness ldk-fitness top --observer 02ab…";

/// Show peers and their status in the terminal, live
#[derive(Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_help = help::footer_with_stores(EXAMPLES))]
pub(crate) struct Args {
    /// The URL of a service, such as http://127.0.0.1:8080, or a store as listed below
    #[arg(env = "LDK_FITNESS_STORE", hide_env_values = true, value_name = "URL|STORE")]
    source: SourceArg,

    /// File with the access token of the service; by default the variable LDK_FITNESS_TOKEN, if set
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// The observer to show, if the store has several
    #[arg(long, value_name = "NODE_ID")]
    observer: Option<NodeId>,

    /// File with peer aliases for a store: a node id and an alias on each line
    #[arg(long, value_name = "FILE")]
    aliases: Option<PathBuf>,

    /// Use ASCII characters only
    ///
    /// This is the default if the locale is not UTF-8.
    #[arg(long)]
    ascii: bool,
}

/// The source of the data.
#[derive(Clone, Debug)]
enum SourceArg {
    Service(String),
    Store(StoreUrl),
}

impl ValueParserFactory for SourceArg {
    type Parser = SourceArgParser;

    fn value_parser() -> SourceArgParser {
        SourceArgParser
    }
}

/// Parses a [`SourceArg`]: an HTTP or HTTPS URL is a service, everything else a store.
#[derive(Clone, Copy, Debug)]
struct SourceArgParser;

impl TypedValueParser for SourceArgParser {
    type Value = SourceArg;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<SourceArg, clap::Error> {
        let scheme = value.to_str().and_then(|text| text.split_once("://"));
        match (scheme, value.to_str()) {
            (Some((scheme, _)), Some(text))
                if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
            {
                Ok(SourceArg::Service(text.to_owned()))
            }
            _ => StoreUrlParser.parse_ref(command, argument, value).map(SourceArg::Store),
        }
    }
}

/// Shows the source until the user quits.
///
/// # Errors
///
/// Fails if standard output is not a terminal, if the service does not respond, or if the store cannot be
/// read.
pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let colour = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
    let capabilities = TerminalCapabilities { unicode: !args.ascii && supports_unicode(), colour };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(CliError::Runtime)?.block_on(async {
        match &args.source {
            SourceArg::Service(url) => {
                reject_option("--observer", args.observer.is_some(), "stores; a service has one observer")?;
                reject_option("--aliases", args.aliases.is_some(), "stores; a service sends the aliases")?;
                let token = read_token(args.token_file.as_deref())?;
                Ok(fitness_top::run(Source::service(url, token.as_deref())?, capabilities).await?)
            }
            SourceArg::Store(url) => {
                let has_token = args.token_file.is_some();
                reject_option("--token-file", has_token, "services; a store has no access token")?;
                let aliases = args.aliases.as_deref().map(read_aliases).transpose()?.unwrap_or_default();
                let store = url.open_read_only().await?;
                let observer = url.one_observer(&*store, args.observer).await?;
                let archive = Archive::open(observer, store).await?;
                let web =
                    Web::builder(archive.handle()).aliases(move |node_id| aliases.get(node_id).cloned());
                let source = Source::archive(web.build().router(), url.to_string());
                Ok(fitness_top::run(source, capabilities).await?)
            }
        }
    })
}

/// Rejects an option that has no effect on the given kind of source.
fn reject_option(option: &'static str, is_given: bool, applies_to: &'static str) -> Result<(), CliError> {
    if is_given { Err(CliError::OptionNotApplicable { option, applies_to }) } else { Ok(()) }
}
