//! Shapes from `--dim`, and tensors for inputs that are not given.

use std::collections::BTreeMap;

use fascine::error::{Error, ErrorKind, Result};
use fascine::graph::Dim;
use fascine::runtime::InputInfo;
use fascine::tensor::{DType, Tensor, TensorData, checked_len};
use half::{bf16, f16};

/// The sizes given on the command line.
pub(crate) type Dims = BTreeMap<String, usize>;

/// Joins `--dim` arguments.
pub(crate) fn dims(given: &[(String, usize)]) -> Result<Dims> {
    let mut dims = Dims::new();
    for (name, size) in given {
        if dims.insert(name.clone(), *size).is_some_and(|known| known != *size) {
            return Err(Error::new(ErrorKind::Input, format!("--dim {name} is given twice with different sizes")));
        }
    }
    Ok(dims)
}

/// Symbolic dimensions of the inputs, in order of appearance.
pub(crate) fn symbols(inputs: &[InputInfo]) -> Vec<&str> {
    let mut symbols = Vec::new();
    for dim in inputs.iter().flat_map(|input| &input.shape) {
        if let Dim::Symbol(name) = dim
            && !symbols.contains(&name.as_str())
        {
            symbols.push(name.as_str());
        }
    }
    symbols
}

/// Refuses names that no input has.
pub(crate) fn check_names(dims: &Dims, known: &[&str]) -> Result<()> {
    match dims.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) if known.is_empty() => {
            Err(Error::new(ErrorKind::Input, format!("--dim {name}: every dimension is fixed")))
        }
        Some(name) => {
            let known = known.join(", ");
            Err(Error::new(ErrorKind::Input, format!("--dim {name}: no input has it; open dimensions are {known}")))
        }
    }
}

/// The concrete shapes, or the open dimensions that have no size yet.
pub(crate) fn resolve(inputs: &[InputInfo], dims: &Dims) -> std::result::Result<Vec<Vec<usize>>, Vec<String>> {
    let missing: Vec<String> =
        symbols(inputs).into_iter().filter(|name| !dims.contains_key(*name)).map(str::to_owned).collect();
    if !missing.is_empty() {
        return Err(missing);
    }
    let size = |dim: &Dim| match dim {
        Dim::Known(size) => *size,
        Dim::Symbol(name) => dims[name],
    };
    Ok(inputs.iter().map(|input| input.shape.iter().map(size).collect()).collect())
}

/// The error for what [`resolve`] did not find.
pub(crate) fn unresolved(missing: &[String]) -> Error {
    let names: Vec<String> = missing.iter().map(|name| format!("'{name}'")).collect();
    let hints: Vec<String> = missing.iter().map(|name| format!("--dim {name}=N")).collect();
    let (noun, verb) = if missing.len() == 1 { ("dimension", "has") } else { ("dimensions", "have") };
    Error::new(ErrorKind::Shape, format!("{noun} {} {verb} no size; give {}", names.join(", "), hints.join(" ")))
}

/// Takes sizes of open dimensions from the tensors given.
pub(crate) fn learn(dims: &mut Dims, inputs: &[InputInfo], given: &[(String, Tensor)]) -> Result<()> {
    for (name, tensor) in given {
        let Some(input) = inputs.iter().find(|input| input.name == *name) else { continue };
        if input.shape.len() != tensor.shape().len() {
            continue;
        }
        for (dim, &size) in input.shape.iter().zip(tensor.shape()) {
            if let Dim::Symbol(symbol) = dim
                && *dims.entry(symbol.clone()).or_insert(size) != size
            {
                let known = dims[symbol];
                let message = format!("input '{name}' makes dimension '{symbol}' {size}, but it is {known} elsewhere");
                return Err(Error::new(ErrorKind::Input, message));
            }
        }
    }
    Ok(())
}

/// A small generator (SplitMix64): the same seed gives the same numbers everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// In [0, 1), a multiple of 2^-53.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In [-1, 1), a multiple of 2^-23.
    fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 * (1.0 / 8_388_608.0) - 1.0
    }
}

/// Brings a list into an order that the seed decides (Fisher and Yates).
pub(crate) fn shuffle<T>(list: &mut [T], seed: u64) {
    let mut random = Random(seed);
    for left in (2..=list.len()).rev() {
        list.swap(left - 1, (random.next() % left as u64) as usize);
    }
}

/// A random tensor for an input: floats in [-1, 1), integers and bools 0 or 1 (legal as token, type or mask), and 1
/// throughout where the name contains `mask`.
///
/// # Errors
/// `Shape` if the shape overflows, `Memory` if it is larger than host memory.
pub(crate) fn random(name: &str, dtype: DType, shape: &[usize], seed: u64) -> Result<Tensor> {
    let len = checked_len(shape)
        .filter(|len| len.checked_mul(8).is_some_and(|bytes| isize::try_from(bytes).is_ok()))
        .ok_or_else(|| Error::new(ErrorKind::Shape, format!("input '{name}': shape {shape:?} overflows")))?;
    // Each input has a stream of its own, so that giving one leaves the others as they were.
    let stream = name
        .bytes()
        .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut random = Random(stream);
    let ones = name.to_lowercase().contains("mask");
    let mut bit = || u8::from(ones || random.next() >> 63 == 1);
    let data = match dtype {
        DType::I8 => TensorData::I8(fill(name, len, || bit() as i8)?),
        DType::I16 => TensorData::I16(fill(name, len, || bit().into())?),
        DType::I32 => TensorData::I32(fill(name, len, || bit().into())?),
        DType::I64 => TensorData::I64(fill(name, len, || bit().into())?),
        DType::U8 => TensorData::U8(fill(name, len, bit)?),
        DType::U16 => TensorData::U16(fill(name, len, || bit().into())?),
        DType::U32 => TensorData::U32(fill(name, len, || bit().into())?),
        DType::U64 => TensorData::U64(fill(name, len, || bit().into())?),
        DType::Bool => TensorData::Bool(fill(name, len, || bit() == 1)?),
        DType::F32 => TensorData::F32(fill(name, len, || if ones { 1.0 } else { random.float() })?),
        DType::F16 => TensorData::F16(fill(name, len, || f16::from_f32(if ones { 1.0 } else { random.float() }))?),
        DType::Bf16 => TensorData::Bf16(fill(name, len, || bf16::from_f32(if ones { 1.0 } else { random.float() }))?),
        // Of floats the bits.
        DType::F8E4M3Fn
        | DType::F8E4M3Fnuz
        | DType::F8E5M2
        | DType::F8E5M2Fnuz
        | DType::F8E8M0
        | DType::F4E2M1
        | DType::I2
        | DType::I4
        | DType::U2
        | DType::U4 => TensorData::from_le_bytes(dtype, &fill(name, len, bit)?)?,
        DType::F64 => TensorData::F64(fill(name, len, || if ones { 1.0 } else { random.float().into() })?),
    };
    Tensor::from_data(shape, data)
}

fn fill<T>(name: &str, len: usize, element: impl FnMut() -> T) -> Result<Vec<T>> {
    let mut data = Vec::new();
    data.try_reserve_exact(len)
        .map_err(|_| Error::new(ErrorKind::Memory, format!("input '{name}': no host memory for {len} elements")))?;
    data.extend(std::iter::repeat_with(element).take(len));
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, shape: Vec<Dim>) -> InputInfo {
        InputInfo { name: name.into(), dtype: DType::F32, shape, kind: fascine::Kind::Tensor }
    }

    fn symbol(name: &str) -> Dim {
        Dim::Symbol(name.into())
    }

    #[test]
    fn shapes_come_from_names_and_tensors() {
        let inputs = [input("x", vec![symbol("batch"), Dim::Known(3)]), input("y", vec![symbol("n"), symbol("batch")])];
        let mut sizes = dims(&[("n".into(), 5)]).unwrap();
        assert_eq!(resolve(&inputs, &sizes).unwrap_err(), ["batch"]);
        assert!(unresolved(&["batch".into()]).to_string().contains("--dim batch=N"));
        learn(&mut sizes, &inputs, &[("x".into(), Tensor::zeros(DType::F32, [2, 3]).unwrap())]).unwrap();
        assert_eq!(resolve(&inputs, &sizes).unwrap(), [vec![2, 3], vec![5, 2]]);
        let other = Tensor::zeros(DType::F32, [5, 4]).unwrap();
        assert!(learn(&mut sizes, &inputs, &[("y".into(), other)]).is_err());
        assert!(check_names(&sizes, &symbols(&inputs)).is_ok());
        sizes.insert("typo".into(), 1);
        assert!(check_names(&sizes, &symbols(&inputs)).unwrap_err().to_string().contains("typo"));
        assert!(dims(&[("n".into(), 5), ("n".into(), 6)]).is_err());
    }

    #[test]
    fn random_tensors_follow_seed_name_and_range() {
        let make = |name, seed| random(name, DType::F32, &[100], seed).unwrap();
        assert!(make("x", 1) == make("x", 1));
        assert!(make("x", 1) != make("x", 2) && make("x", 1) != make("y", 1));
        assert!(make("x", 1).as_slice::<f32>().unwrap().iter().all(|v| (-1.0..1.0).contains(v)));
        let ids = random("input_ids", DType::I64, &[64], 0).unwrap();
        let ids = ids.as_slice::<i64>().unwrap();
        assert!(ids.contains(&0) && ids.contains(&1) && ids.iter().all(|v| (0..=1).contains(v)));
        let mask = random("attention_mask", DType::I64, &[64], 0).unwrap();
        assert!(mask.as_slice::<i64>().unwrap().iter().all(|&v| v == 1));
        assert!(random("x", DType::F32, &[0, usize::MAX], 0).unwrap().is_empty());
        assert!(random("x", DType::F32, &[usize::MAX, 2], 0).is_err());
        assert!(random("x", DType::F32, &[1 << 58], 0).is_err());
    }
}
