//! The RPC methods. `server` handles HTTP.
//!
//! The methods and fields are those that `ldk-node` 0.7 and `lightning-block-sync` 0.2 use, including the
//! check of announced channels.

use std::str::FromStr;

use bitcoin::consensus::encode;
use bitcoin::{BlockHash, OutPoint, Transaction, Txid};
use serde_json::{Value, json};

use crate::chain::SharedChain;
use crate::error::Rejection;

const NOT_FOUND: i64 = -5;
const OUT_OF_RANGE: i64 = -8;
const DECODE_FAILED: i64 = -22;
const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

/// The minimum relay fee, in bitcoin per 1,000 virtual bytes.
const MEMPOOL_MIN_FEE: f64 = 0.000_01;

/// The fee rate of every estimate, in the same unit. It is low, so that small channels stay affordable,
/// but above the minimum that nodes accept from their peers.
const FEE_ESTIMATE: f64 = 0.000_02;

/// A JSON-RPC error object.
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

/// Handles the body of one request and returns the body of the reply.
pub(crate) fn respond(chain: &SharedChain, request: &[u8]) -> Vec<u8> {
    let (id, outcome) = match serde_json::from_slice::<Value>(request) {
        Ok(request) => (request["id"].clone(), handle(chain, &request)),
        Err(error) => {
            let error = RpcError::new(PARSE_ERROR, format!("Parse error: {error}"));
            (Value::Null, Err(error))
        }
    };
    let reply = match outcome {
        Ok(result) => json!({"result": result, "error": null, "id": id}),
        Err(RpcError { code, message }) => {
            tracing::debug!(code, message, "RPC call failed");
            json!({"result": null, "error": {"code": code, "message": message}, "id": id})
        }
    };
    reply.to_string().into_bytes()
}

fn handle(chain: &SharedChain, request: &Value) -> Result<Value, RpcError> {
    let Some(method) = request["method"].as_str() else {
        return Err(RpcError::new(INVALID_REQUEST, "Method must be a string"));
    };
    let params = match &request["params"] {
        Value::Array(params) => params.as_slice(),
        Value::Null => &[],
        _ => return Err(RpcError::new(INVALID_PARAMS, "Params must be an array")),
    };
    call(chain, method, &Params(params))
}

fn call(chain: &SharedChain, method: &str, params: &Params<'_>) -> Result<Value, RpcError> {
    match method {
        "getblockchaininfo" => Ok(blockchain_info(chain)),
        "getblockhash" => block_hash(chain, params),
        "getblockheader" => block_header(chain, params),
        "getblock" => block(chain, params),
        "gettxout" => tx_out(chain, params),
        "getrawmempool" => raw_mempool(chain, params),
        "getmempoolentry" => mempool_entry(chain, params),
        "getmempoolinfo" => Ok(mempool_info(chain)),
        "getrawtransaction" => raw_transaction(chain, params),
        "sendrawtransaction" => send_raw_transaction(chain, params),
        "estimatesmartfee" => estimate_smart_fee(params),
        _ => {
            tracing::warn!(method, "unsupported RPC method called");
            Err(RpcError::new(METHOD_NOT_FOUND, "Method not found"))
        }
    }
}

fn blockchain_info(chain: &SharedChain) -> Value {
    let state = chain.lock();
    let tip = state.tip();
    json!({
        "chain": "regtest",
        "blocks": tip.height,
        "headers": tip.height,
        "bestblockhash": tip.hash.to_string(),
        "chainwork": format!("{:064x}", tip.chainwork),
    })
}

fn block_hash(chain: &SharedChain, params: &Params<'_>) -> Result<Value, RpcError> {
    let height = params.number(0, "height")?;
    let state = chain.lock();
    let chain_block = state.block_at(height);
    let chain_block = chain_block.ok_or_else(|| RpcError::new(OUT_OF_RANGE, "Block height out of range"))?;
    Ok(json!(chain_block.hash.to_string()))
}

fn block_header(chain: &SharedChain, params: &Params<'_>) -> Result<Value, RpcError> {
    let hash: BlockHash = params.parsed(0, "blockhash")?;
    params.require_flag(1, "verbose", true, true)?;
    let state = chain.lock();
    let chain_block = state.block(&hash).ok_or_else(no_block)?;
    let header = &chain_block.block.header;
    let mut fields = json!({
        "hash": chain_block.hash.to_string(),
        "height": chain_block.height,
        "version": header.version.to_consensus(),
        "merkleroot": header.merkle_root.to_string(),
        "time": header.time,
        "nonce": header.nonce,
        "bits": format!("{:08x}", header.bits.to_consensus()),
        "chainwork": format!("{:064x}", chain_block.chainwork),
    });
    // Clients recognise the genesis block by the absence of this field.
    if chain_block.height > 0 {
        fields["previousblockhash"] = json!(header.prev_blockhash.to_string());
    }
    Ok(fields)
}

fn block(chain: &SharedChain, params: &Params<'_>) -> Result<Value, RpcError> {
    let hash: BlockHash = params.parsed(0, "blockhash")?;
    params.require_flag(1, "verbosity", true, false)?;
    let state = chain.lock();
    let chain_block = state.block(&hash).ok_or_else(no_block)?;
    Ok(json!(encode::serialize_hex(&chain_block.block)))
}

fn tx_out(chain: &SharedChain, params: &Params<'_>) -> Result<Value, RpcError> {
    let outpoint = OutPoint::new(params.parsed(0, "txid")?, params.number(1, "n")?);
    let with_mempool = params.flag(2, "include_mempool", true)?;
    let state = chain.lock();
    // A spent or unknown output is not an error: the result is null.
    Ok(state.unspent(&outpoint, with_mempool).map_or(Value::Null, |output| {
        json!({
            "value": output.value.to_btc(),
            "scriptPubKey": {"hex": output.script_pubkey.to_hex_string()},
        })
    }))
}

fn raw_mempool(chain: &SharedChain, params: &Params<'_>) -> Result<Value, RpcError> {
    params.require_flag(0, "verbose", false, false)?;
    let state = chain.lock();
    let txids = state.mempool().iter().map(|entry| entry.txid.to_string());
    Ok(txids.collect())
}

fn mempool_entry(chain: &SharedChain, params: &Params<'_>) -> Result<Value, RpcError> {
    let txid: Txid = params.parsed(0, "txid")?;
    let state = chain.lock();
    let entry =
        state.mempool_entry(&txid).ok_or_else(|| RpcError::new(NOT_FOUND, "Transaction not in mempool"))?;
    Ok(json!({
        "time": entry.time,
        "height": entry.height,
        "vsize": entry.tx.vsize(),
        "fees": {"base": entry.fee.to_btc()},
    }))
}

fn mempool_info(chain: &SharedChain) -> Value {
    json!({
        "loaded": true,
        "size": chain.lock().mempool().len(),
        "mempoolminfee": MEMPOOL_MIN_FEE,
    })
}

fn raw_transaction(chain: &SharedChain, params: &Params<'_>) -> Result<Value, RpcError> {
    let txid: Txid = params.parsed(0, "txid")?;
    params.require_flag(1, "verbosity", false, false)?;
    let state = chain.lock();
    let tx = state
        .transaction(&txid)
        .ok_or_else(|| RpcError::new(NOT_FOUND, "No such mempool or blockchain transaction"))?;
    Ok(json!(encode::serialize_hex(tx)))
}

fn send_raw_transaction(chain: &SharedChain, params: &Params<'_>) -> Result<Value, RpcError> {
    let hex = params.text(0, "hexstring")?;
    let tx: Transaction = encode::deserialize_hex(hex)
        .map_err(|error| RpcError::new(DECODE_FAILED, format!("TX decode failed: {error}")))?;
    let txid = chain.submit(tx)?;
    tracing::debug!(%txid, "transaction submitted");
    Ok(json!(txid.to_string()))
}

fn estimate_smart_fee(params: &Params<'_>) -> Result<Value, RpcError> {
    let blocks = params.number(0, "conf_target")?;
    Ok(json!({"feerate": FEE_ESTIMATE, "blocks": blocks}))
}

fn no_block() -> RpcError {
    RpcError::new(NOT_FOUND, "Block not found")
}

/// The positional parameters of a call. A missing parameter or one of the wrong type is an error that
/// contains the name of the parameter.
struct Params<'a>(&'a [Value]);

impl<'a> Params<'a> {
    fn text(&self, index: usize, name: &str) -> Result<&'a str, RpcError> {
        let text = self.0.get(index).and_then(Value::as_str);
        text.ok_or_else(|| invalid(name, "a string"))
    }

    fn parsed<T: FromStr>(&self, index: usize, name: &str) -> Result<T, RpcError> {
        let parsed = self.text(index, name)?.parse();
        parsed.map_err(|_| invalid(name, "64 hexadecimal digits"))
    }

    fn number(&self, index: usize, name: &str) -> Result<u32, RpcError> {
        let number = self.0.get(index).and_then(Value::as_u64);
        number
            .and_then(|number| u32::try_from(number).ok())
            .ok_or_else(|| invalid(name, "a number of 32 bits"))
    }

    /// Returns an optional flag. Like bitcoind, this accepts the verbosity levels 0 and 1 as flags.
    fn flag(&self, index: usize, name: &str, default: bool) -> Result<bool, RpcError> {
        match self.0.get(index) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(value) => match value.as_u64() {
                Some(0) => Ok(false),
                Some(1) => Ok(true),
                _ => Err(invalid(name, "true or false")),
            },
        }
    }

    /// Checks a flag for which only one value is supported.
    fn require_flag(&self, index: usize, name: &str, default: bool, supported: bool) -> Result<(), RpcError> {
        if self.flag(index, name, default)? == supported {
            Ok(())
        } else {
            Err(invalid(name, &supported.to_string()))
        }
    }
}

fn invalid(name: &str, expected: &str) -> RpcError {
    RpcError::new(INVALID_PARAMS, format!("{name} must be {expected}"))
}
