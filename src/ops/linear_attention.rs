//! <https://onnx.ai/onnx/operators/onnx__LinearAttention.html>

use crate::error::{Error, Result};
use crate::graph::Node;
use crate::lower::grid::item_groups;
use crate::lower::{Emit, Fact, Lowering, View, Work, bits, params};
use crate::size::{Size, agree, presumed};
use crate::tensor::DType;

use super::{Entry, Operator, check_arity, given, operator};

pub(super) static OPERATORS: &[Entry] = &[("", "LinearAttention", |node| operator(LinearAttention::parse(node)))];

/// Inputs: query `[B, T, Hq * K]`, key `[B, T, H * K]`, value `[B, T, H * V]`, past state `[B, H, K, V]`, decay `[B, T, H]` or
/// `[B, T, H * K]`, beta `[B, T, H]` or `[B, T, 1]`; f32 or f16. Outputs: `[B, T, Hq * V]`, and the state. The state is f32 between
/// tokens, whatever its type.
#[derive(Debug)]
struct LinearAttention {
    query_heads: usize,
    heads: usize,
    /// 0 for one by the square root of K.
    scale: f32,
    decays: bool,
    corrects: bool,
}

/// Sizes of one problem.
struct Sizes {
    batch: Size,
    tokens: Size,
    key: Size,
    value: Size,
}

impl LinearAttention {
    fn parse(node: &Node) -> Result<Self> {
        check_arity(node, 3..=6, 1..=2)?;
        let heads = |name| -> Result<usize> {
            let heads = node.int(name, 0)?;
            usize::try_from(heads)
                .ok()
                .filter(|&heads| heads > 0)
                .ok_or_else(|| Error::invalid_model(format!("{name} is {heads}")))
        };
        let (query_heads, own) = (heads("q_num_heads")?, heads("kv_num_heads")?);
        if query_heads % own != 0 {
            return Err(Error::invalid_model(format!("{query_heads} heads of queries for {own} of keys")));
        }
        let (decays, corrects) = match node.str("update_rule", "gated_delta")? {
            "linear" => (false, false),
            "gated" => (true, false),
            "delta" => (false, true),
            "gated_delta" => (true, true),
            other => return Err(Error::invalid_model(format!("update_rule '{other}'"))),
        };
        let has = |i: usize| node.inputs.get(i).is_some_and(Option::is_some);
        if has(4) != decays || has(5) != corrects {
            return Err(Error::invalid_model("decay and beta are not those that the update rule takes"));
        }
        Ok(LinearAttention { query_heads, heads: own, scale: node.float("scale", 0.0)?, decays, corrects })
    }

    fn sizes(&self, inputs: &[Option<&Fact>]) -> Result<Sizes> {
        let shape = |i: usize| inputs.get(i).copied().flatten().map(|fact| fact.shape.as_slice());
        let (query, value) = (&given(inputs, 0)?.shape, &given(inputs, 2)?.shape);
        let (&[batch, tokens, wide], &[_, _, values]) = (query.as_slice(), value.as_slice()) else {
            return Err(Error::shape(format!("queries of shape {query:?}, values of shape {value:?}")));
        };
        let (key, value) = (wide / self.query_heads, values / self.heads);
        let row = |last: Size| vec![batch, tokens, last];
        let mut expected = vec![
            (0, vec![row(key * self.query_heads)]),
            (1, vec![row(key * self.heads)]),
            (2, vec![row(value * self.heads)]),
            (3, vec![vec![batch, Size::from(self.heads), key, value]]),
            (4, vec![row(Size::from(self.heads)), row(key * self.heads)]),
            (5, vec![row(Size::from(self.heads)), row(Size::ONE)]),
        ];
        expected.retain(|(i, _)| shape(*i).is_some());
        for (i, allowed) in expected {
            let is = shape(i).unwrap_or_default();
            if !allowed.iter().any(|want| agree(is, want)) {
                return Err(Error::shape(format!("input {i} has shape {is:?}, not {allowed:?}")));
            }
        }
        Ok(Sizes { batch, tokens, key, value })
    }

    /// Whether the last dimension of input `i` is `size`.
    fn has_last(cx: &Lowering<'_>, i: usize, size: Size) -> bool {
        cx.input(i).and_then(|fact| fact.shape.last()).is_some_and(|&last| presumed(|| last == size))
    }
}

impl Operator for LinearAttention {
    fn dtypes(&self, inputs: &[Option<DType>]) -> Result<Vec<DType>> {
        let dtype = super::one_float(&[&inputs[..3], inputs.get(4..).unwrap_or_default()].concat())?[0];
        match inputs.get(3).copied().flatten() {
            None => Ok(vec![dtype, dtype]),
            Some(state @ (DType::F32 | DType::F16 | DType::Bf16)) => Ok(vec![dtype, state]),
            Some(other) => Err(Error::unsupported(format!("a state of type {other}"))),
        }
    }

    fn shapes(&self, inputs: &[Option<&Fact>]) -> Result<Vec<Vec<Size>>> {
        let Sizes { batch, tokens, key, value } = self.sizes(inputs)?;
        let heads = Size::from(self.heads);
        Ok(vec![vec![batch, tokens, value * self.query_heads], vec![batch, heads, key, value]])
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Result<()> {
        let Sizes { batch, tokens, key, value } = self.sizes(&cx.facts())?;
        let (output, state) = (cx.output(0), cx.output(1));
        let past = match cx.input(3) {
            Some(_) => cx.view(3)?,
            None => View {
                strides: vec![Size::ZERO; 4],
                ..View::row_major(cx.constant_bytes(vec![0; 16])?, DType::F32, &state.shape)
            },
        };
        cx.copy(&past, &state)?;
        if output.is_empty() {
            return Ok(());
        }
        let [query, keys, values] = [cx.contiguous(0)?, cx.contiguous(1)?, cx.contiguous(2)?].map(|view| view.buffer);
        let decay = if self.decays { cx.contiguous(4)?.buffer } else { query };
        let beta = if self.corrects { cx.contiguous(5)?.buffer } else { query };
        let heads = Size::from(self.heads);
        let len = batch * heads * value;
        let scale = if self.scale == 0.0 { 1.0 / (key.pin() as f32).sqrt() } else { self.scale };
        // As long as there is one element to a key both readings of the decay are the same.
        let decay_key = self.decays && !Self::has_last(cx, 4, heads);
        let beta_each = self.corrects && Self::has_last(cx, 5, heads);
        let flag = |on: bool| Size::from(u8::from(on));
        let numbers = [
            ("len", len),
            ("tokens", tokens),
            ("heads", heads),
            ("group", Size::from(self.query_heads / self.heads)),
            ("key", key),
            ("value", value),
            ("decay_key", flag(decay_key)),
            ("beta_each", flag(beta_each)),
            ("scale", bits(scale)),
        ];
        let elements =
            output.len() + state.len() + batch * tokens * (key * (self.query_heads + self.heads) + value * heads);
        cx.emit(Emit {
            kernel: "linear_attention",
            constants: &[("DECAY", f64::from(u8::from(self.decays))), ("DELTA", f64::from(u8::from(self.corrects)))],
            groups: item_groups(len),
            operands: &[query, keys, values, decay, beta, state.buffer, output.buffer],
            params: params("linear_attention", &numbers, &[])?,
            cost: Work::of_words(len * tokens * key * (6 + 2 * self.query_heads / self.heads), elements),
        })
    }
}
