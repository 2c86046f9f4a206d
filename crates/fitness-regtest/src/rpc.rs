//! The RPC methods, from parameters to result. How they travel is the server's business.
//!
//! The methods and fields are those that `ldk-node` 0.7 and `lightning-block-sync` 0.2 use, its check
//! of announced channels included.

use std::str::FromStr;

use bitcoin::consensus::encode;
use bitcoin::{BlockHash, OutPoint, Transaction, Txid};
use serde_json::{Value, json};

use crate::error::Rejection;
use crate::handle::Shared;

const NOT_FOUND: i64 = -5;
const OUT_OF_RANGE: i64 = -8;
const UNDECODABLE: i64 = -22;
const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

/// What a transaction must pay to be relayed, in bitcoin per 1,000 virtual bytes.
const MEMPOOL_MIN_FEE: f64 = 0.000_01;

/// What every fee estimate says, in the same unit. Low, so that small channels stay affordable, but
/// above the least that nodes accept from their peers.
const FEE_ESTIMATE: f64 = 0.000_02;

/// An error object of JSON-RPC.
#[derive(Debug, PartialEq, Eq)]
struct RpcError {
    code: i64,
    message: String,
}

impl RpcError {
    fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<Rejection> for RpcError {
    fn from(rejection: Rejection) -> Self {
        Self::new(rejection.code(), rejection.to_string())
    }
}

/// Answers the body of one request with the body of its reply.
pub(crate) fn answer(shared: &Shared, request: &[u8]) -> Vec<u8> {
    let (id, outcome) = match serde_json::from_slice::<Value>(request) {
        Ok(request) => (request["id"].clone(), handle(shared, &request)),
        Err(error) => {
            let error = RpcError::new(PARSE_ERROR, format!("Parse error: {error}"));
            (Value::Null, Err(error))
        }
    };
    let reply = match outcome {
        Ok(result) => json!({"result": result, "error": null, "id": id}),
        Err(RpcError { code, message }) => {
            tracing::debug!(code, message, "an RPC call failed");
            json!({"result": null, "error": {"code": code, "message": message}, "id": id})
        }
    };
    reply.to_string().into_bytes()
}

fn handle(shared: &Shared, request: &Value) -> Result<Value, RpcError> {
    let Some(method) = request["method"].as_str() else {
        return Err(RpcError::new(INVALID_REQUEST, "Method must be a string"));
    };
    let params = match &request["params"] {
        Value::Array(params) => params.as_slice(),
        Value::Null => &[],
        _ => return Err(RpcError::new(INVALID_PARAMS, "Params must be an array")),
    };
    call(shared, method, &Params(params))
}

fn call(shared: &Shared, method: &str, params: &Params<'_>) -> Result<Value, RpcError> {
    match method {
        "getblockchaininfo" => Ok(blockchain_info(shared)),
        "getblockhash" => block_hash(shared, params),
        "getblockheader" => block_header(shared, params),
        "getblock" => block(shared, params),
        "gettxout" => tx_out(shared, params),
        "getrawmempool" => raw_mempool(shared, params),
        "getmempoolentry" => mempool_entry(shared, params),
        "getmempoolinfo" => Ok(mempool_info(shared)),
        "getrawtransaction" => raw_transaction(shared, params),
        "sendrawtransaction" => send_raw_transaction(shared, params),
        "estimatesmartfee" => estimate_smart_fee(params),
        _ => {
            tracing::warn!(method, "a node asked for an RPC method that is not served");
            Err(RpcError::new(METHOD_NOT_FOUND, "Method not found"))
        }
    }
}

fn blockchain_info(shared: &Shared) -> Value {
    let model = shared.lock();
    let tip = model.tip();
    json!({
        "chain": "regtest",
        "blocks": tip.height,
        "headers": tip.height,
        "bestblockhash": tip.hash.to_string(),
        "chainwork": format!("{:064x}", tip.chainwork),
    })
}

fn block_hash(shared: &Shared, params: &Params<'_>) -> Result<Value, RpcError> {
    let height = params.number(0, "height")?;
    let model = shared.lock();
    let placed = model.block_at(height);
    let placed = placed.ok_or_else(|| RpcError::new(OUT_OF_RANGE, "Block height out of range"))?;
    Ok(json!(placed.hash.to_string()))
}

fn block_header(shared: &Shared, params: &Params<'_>) -> Result<Value, RpcError> {
    let hash: BlockHash = params.parsed(0, "blockhash")?;
    params.flag_is(1, "verbose", true, true)?;
    let model = shared.lock();
    let placed = model.block(&hash).ok_or_else(no_block)?;
    let header = &placed.block.header;
    let mut fields = json!({
        "hash": placed.hash.to_string(),
        "height": placed.height,
        "version": header.version.to_consensus(),
        "merkleroot": header.merkle_root.to_string(),
        "time": header.time,
        "nonce": header.nonce,
        "bits": format!("{:08x}", header.bits.to_consensus()),
        "chainwork": format!("{:064x}", placed.chainwork),
    });
    // Its absence is how a client knows the genesis block.
    if placed.height > 0 {
        fields["previousblockhash"] = json!(header.prev_blockhash.to_string());
    }
    Ok(fields)
}

fn block(shared: &Shared, params: &Params<'_>) -> Result<Value, RpcError> {
    let hash: BlockHash = params.parsed(0, "blockhash")?;
    params.flag_is(1, "verbosity", true, false)?;
    let model = shared.lock();
    let placed = model.block(&hash).ok_or_else(no_block)?;
    Ok(json!(encode::serialize_hex(&placed.block)))
}

fn tx_out(shared: &Shared, params: &Params<'_>) -> Result<Value, RpcError> {
    let outpoint = OutPoint::new(params.parsed(0, "txid")?, params.number(1, "n")?);
    let with_mempool = params.flag(2, "include_mempool", true)?;
    let model = shared.lock();
    // A spent or unknown output is no error: the result is null.
    Ok(model.unspent(&outpoint, with_mempool).map_or(Value::Null, |output| {
        json!({
            "value": output.value.to_btc(),
            "scriptPubKey": {"hex": output.script_pubkey.to_hex_string()},
        })
    }))
}

fn raw_mempool(shared: &Shared, params: &Params<'_>) -> Result<Value, RpcError> {
    params.flag_is(0, "verbose", false, false)?;
    let model = shared.lock();
    let txids = model.mempool().iter().map(|entry| entry.txid.to_string());
    Ok(txids.collect())
}

fn mempool_entry(shared: &Shared, params: &Params<'_>) -> Result<Value, RpcError> {
    let txid: Txid = params.parsed(0, "txid")?;
    let model = shared.lock();
    let entry =
        model.mempool_entry(&txid).ok_or_else(|| RpcError::new(NOT_FOUND, "Transaction not in mempool"))?;
    Ok(json!({
        "time": entry.time,
        "height": entry.height,
        "vsize": entry.tx.vsize(),
        "fees": {"base": entry.fee.to_btc()},
    }))
}

fn mempool_info(shared: &Shared) -> Value {
    json!({
        "loaded": true,
        "size": shared.lock().mempool().len(),
        "mempoolminfee": MEMPOOL_MIN_FEE,
    })
}

fn raw_transaction(shared: &Shared, params: &Params<'_>) -> Result<Value, RpcError> {
    let txid: Txid = params.parsed(0, "txid")?;
    params.flag_is(1, "verbosity", false, false)?;
    let model = shared.lock();
    let tx = model
        .transaction(&txid)
        .ok_or_else(|| RpcError::new(NOT_FOUND, "No such mempool or blockchain transaction"))?;
    Ok(json!(encode::serialize_hex(tx)))
}

fn send_raw_transaction(shared: &Shared, params: &Params<'_>) -> Result<Value, RpcError> {
    let hex = params.text(0, "hexstring")?;
    let tx: Transaction = encode::deserialize_hex(hex)
        .map_err(|error| RpcError::new(UNDECODABLE, format!("TX decode failed: {error}")))?;
    let txid = shared.submit(tx)?;
    tracing::debug!(%txid, "a node broadcast a transaction");
    Ok(json!(txid.to_string()))
}

fn estimate_smart_fee(params: &Params<'_>) -> Result<Value, RpcError> {
    let blocks = params.number(0, "conf_target")?;
    Ok(json!({"feerate": FEE_ESTIMATE, "blocks": blocks}))
}

fn no_block() -> RpcError {
    RpcError::new(NOT_FOUND, "Block not found")
}

/// The positional parameters of a call. What is missing or of the wrong kind makes an error that
/// names the parameter.
struct Params<'a>(&'a [Value]);

impl<'a> Params<'a> {
    fn text(&self, at: usize, name: &str) -> Result<&'a str, RpcError> {
        let text = self.0.get(at).and_then(Value::as_str);
        text.ok_or_else(|| invalid(name, "a string"))
    }

    fn parsed<T: FromStr>(&self, at: usize, name: &str) -> Result<T, RpcError> {
        let parsed = self.text(at, name)?.parse();
        parsed.map_err(|_| invalid(name, "64 hexadecimal digits"))
    }

    fn number(&self, at: usize, name: &str) -> Result<u32, RpcError> {
        let number = self.0.get(at).and_then(Value::as_u64);
        number
            .and_then(|number| u32::try_from(number).ok())
            .ok_or_else(|| invalid(name, "a number of 32 bits"))
    }

    /// A flag that may be left out. Like bitcoind, this takes the verbosities 0 and 1 for flags.
    fn flag(&self, at: usize, name: &str, default: bool) -> Result<bool, RpcError> {
        match self.0.get(at) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(value) => match value.as_u64() {
                Some(0) => Ok(false),
                Some(1) => Ok(true),
                _ => Err(invalid(name, "true or false")),
            },
        }
    }

    /// Refuses the other value of a flag of which only one is served.
    fn flag_is(&self, at: usize, name: &str, default: bool, served: bool) -> Result<(), RpcError> {
        if self.flag(at, name, default)? == served { Ok(()) } else { Err(invalid(name, &served.to_string())) }
    }
}

fn invalid(name: &str, wanted: &str) -> RpcError {
    RpcError::new(INVALID_PARAMS, format!("{name} must be {wanted}"))
}
