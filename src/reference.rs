//! Reference cases of models: inputs, expected outputs and their tolerances, as a folder of `cases.json` and npy files
//! states them (`tests/zoo/README.md`). For tests, benchmarks and the demo; not part of the stable interface.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::npy;
use crate::onnx::synthetic::Generator;
use crate::tensor::{DType, Tensor, TensorData, checked_len};

/// A model with its cases.
#[derive(Debug)]
pub struct Suite {
    /// The model's name.
    pub name: String,
    /// The model's file.
    pub model: PathBuf,
    /// In the file's order.
    pub cases: Vec<Case>,
}

/// Inputs and what they should give.
#[derive(Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// In graph order.
    pub inputs: Vec<(String, Tensor)>,
    /// In graph order.
    pub outputs: Vec<Expected>,
}

/// An output as it should be.
#[derive(Debug)]
pub struct Expected {
    /// Its name.
    pub name: String,
    dtype: DType,
    shape: Vec<usize>,
    /// Flat row-major positions of `values`; all of them if `None`.
    indices: Option<Vec<usize>>,
    values: Tensor,
    limits: Option<Limits>,
}

/// A float output passes when every element is within `atol + rtol * |want|`, and the rms of the differences is within
/// `nrmse_tol * rms`.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Limits {
    rtol: f64,
    atol: f64,
    nrmse_tol: f64,
    rms: f64,
}

/// How far an output was from the reference.
#[derive(Clone, Copy, Debug)]
pub struct Deviation {
    /// The largest difference of an element over what is allowed for it; at most 1.
    pub worst: f64,
    /// The rms of the differences over the rms of the output.
    pub nrmse: f64,
}

#[derive(Deserialize)]
struct SuiteFile {
    cases: Vec<CaseFile>,
}

#[derive(Deserialize)]
struct CaseFile {
    case: String,
    inputs: Vec<TensorFile>,
    outputs: Vec<TensorFile>,
}

#[derive(Deserialize)]
struct TensorFile {
    name: String,
    dtype: String,
    shape: Vec<usize>,
    file: Option<String>,
    sample: Option<String>,
    synthetic: Option<String>,
    exact: Option<bool>,
    #[serde(flatten)]
    limits: Option<Limits>,
}

impl Suite {
    /// Reads `NAME.io` beside `NAME.onnx` in `folder`.
    ///
    /// # Errors
    /// `Io` or `InvalidModel` naming the file.
    pub fn open(folder: impl AsRef<Path>, name: &str) -> Result<Suite> {
        let io = folder.as_ref().join(format!("{name}.io"));
        let path = io.join("cases.json");
        let text = std::fs::read(&path).map_err(|error| Error::io(&error, &path))?;
        let file: SuiteFile =
            serde_json::from_slice(&text).map_err(|error| Error::invalid_model(error.to_string()).in_file(&path))?;
        let cases = file.cases.into_iter().map(|case| read_case(case, &io)).collect::<Result<Vec<Case>>>()?;
        Ok(Suite { name: name.to_owned(), model: folder.as_ref().join(format!("{name}.onnx")), cases })
    }
}

fn read_case(case: CaseFile, io: &Path) -> Result<Case> {
    let folder = io.join(&case.case);
    let inputs = case.inputs.into_iter().map(|input| Ok((input.name.clone(), read_input(input, &folder)?)));
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let outputs = case.outputs.into_iter().map(|output| read_output(output, &folder)).collect::<Result<Vec<_>>>()?;
    Ok(Case { name: case.case, inputs, outputs })
}

fn read_input(input: TensorFile, folder: &Path) -> Result<Tensor> {
    let tensor = match (&input.file, &input.synthetic) {
        (Some(file), _) => npy::read(folder.join(file))?,
        (None, Some(text)) => {
            let len = checked_len(&input.shape).ok_or_else(|| Error::shape("the shape overflows").in_file(folder))?;
            Tensor::from_data(input.shape.clone(), Generator::parse(text)?.generate(parse_dtype(&input.dtype)?, len)?)?
        }
        (None, None) => return Err(Error::invalid_model(format!("input '{}' has no data", input.name)).in_file(folder)),
    };
    if tensor.shape() != input.shape {
        return Err(Error::invalid_model(format!("input '{}' is {tensor:?}", input.name)).in_file(folder));
    }
    Ok(tensor)
}

fn read_output(output: TensorFile, folder: &Path) -> Result<Expected> {
    let (indices, values) = match (&output.file, &output.sample) {
        (Some(file), _) => (None, npy::read(folder.join(file))?),
        (None, Some(file)) => read_sample(&folder.join(file))?,
        (None, None) => {
            return Err(Error::invalid_model(format!("output '{}' has no data", output.name)).in_file(folder));
        }
    };
    let exact = output.exact.unwrap_or(output.limits.is_none());
    Ok(Expected {
        dtype: parse_dtype(&output.dtype)?,
        name: output.name,
        shape: output.shape,
        indices,
        values,
        limits: output.limits.filter(|_| !exact),
    })
}

fn read_sample(path: &Path) -> Result<(Option<Vec<usize>>, Tensor)> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(&error, path))?;
    let damaged = |why: String| Error::invalid_model(why).in_file(path);
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(error.to_string()))?;
    let mut array = |name: &str| {
        let mut bytes = Vec::new();
        let mut file = archive.by_name(name).map_err(|error| damaged(format!("{name}: {error}")))?;
        file.read_to_end(&mut bytes).map_err(|error| damaged(error.to_string()))?;
        npy::parse(&bytes).map_err(|error| error.in_file(path))
    };
    let indices = array("indices.npy")?.as_slice::<u32>()?.iter().map(|&index| index as usize).collect();
    Ok((Some(indices), array("values.npy")?))
}

/// The type that numpy and ml_dtypes call so.
///
/// # Errors
/// `InvalidModel` for names that are not known.
pub fn parse_dtype(name: &str) -> Result<DType> {
    Ok(match name {
        "float32" => DType::F32,
        "float16" => DType::F16,
        "bfloat16" => DType::Bf16,
        "float8_e4m3fn" => DType::F8E4M3Fn,
        "float8_e4m3fnuz" => DType::F8E4M3Fnuz,
        "float8_e5m2" => DType::F8E5M2,
        "float8_e5m2fnuz" => DType::F8E5M2Fnuz,
        "float8_e8m0fnu" => DType::F8E8M0,
        "float4_e2m1fn" => DType::F4E2M1,
        "int2" => DType::I2,
        "int4" => DType::I4,
        "uint2" => DType::U2,
        "uint4" => DType::U4,
        "float64" => DType::F64,
        "int8" => DType::I8,
        "int16" => DType::I16,
        "int32" => DType::I32,
        "int64" => DType::I64,
        "uint8" => DType::U8,
        "uint16" => DType::U16,
        "uint32" => DType::U32,
        "uint64" => DType::U64,
        "bool" => DType::Bool,
        _ => return Err(Error::invalid_model(format!("unknown element type '{name}'"))),
    })
}

/// The elements as `f64`; `bool` as 0 and 1.
pub fn values(tensor: &Tensor) -> Vec<f64> {
    match tensor.data() {
        TensorData::F32(data) => data.iter().map(|&v| v.into()).collect(),
        TensorData::F16(data) => data.iter().map(|&v| v.into()).collect(),
        TensorData::Bf16(data) => data.iter().map(|&v| v.into()).collect(),
        TensorData::F64(data) => data.clone(),
        TensorData::F8E4M3Fn(data) => data.iter().map(|v| v.to_f32().into()).collect(),
        TensorData::F8E4M3Fnuz(data) => data.iter().map(|v| v.to_f32().into()).collect(),
        TensorData::F8E5M2(data) => data.iter().map(|v| v.to_f32().into()).collect(),
        TensorData::F8E5M2Fnuz(data) => data.iter().map(|v| v.to_f32().into()).collect(),
        TensorData::F8E8M0(data) => data.iter().map(|v| v.to_f32().into()).collect(),
        TensorData::F4E2M1(data) => data.iter().map(|v| v.to_f32().into()).collect(),
        TensorData::I2(data) => data.iter().map(|v| v.get().into()).collect(),
        TensorData::I4(data) => data.iter().map(|v| v.get().into()).collect(),
        TensorData::U2(data) => data.iter().map(|v| v.get().into()).collect(),
        TensorData::U4(data) => data.iter().map(|v| v.get().into()).collect(),
        TensorData::I8(data) => data.iter().map(|&v| v.into()).collect(),
        TensorData::I16(data) => data.iter().map(|&v| v.into()).collect(),
        TensorData::I32(data) => data.iter().map(|&v| v.into()).collect(),
        TensorData::I64(data) => data.iter().map(|&v| v as f64).collect(),
        TensorData::U8(data) => data.iter().map(|&v| v.into()).collect(),
        TensorData::U16(data) => data.iter().map(|&v| v.into()).collect(),
        TensorData::U32(data) => data.iter().map(|&v| v.into()).collect(),
        TensorData::U64(data) => data.iter().map(|&v| v as f64).collect(),
        TensorData::Bool(data) => data.iter().map(|&v| f64::from(u8::from(v))).collect(),
    }
}

impl Case {
    /// Compares all outputs, in graph order. Returns the worst deviation.
    ///
    /// # Errors
    /// A sentence that names the output and how it differs.
    pub fn check<'a>(&self, outputs: impl IntoIterator<Item = (&'a str, &'a Tensor)>) -> Result<Deviation, String> {
        let outputs: Vec<_> = outputs.into_iter().collect();
        if outputs.len() != self.outputs.len() {
            return Err(format!("{} outputs instead of {}", outputs.len(), self.outputs.len()));
        }
        let mut worst = Deviation { worst: 0.0, nrmse: 0.0 };
        for (expected, (name, got)) in self.outputs.iter().zip(outputs) {
            if name != expected.name {
                return Err(format!("output '{name}' stands where '{}' should", expected.name));
            }
            let deviation = expected.check(got).map_err(|why| format!("output '{name}': {why}"))?;
            worst.worst = worst.worst.max(deviation.worst);
            worst.nrmse = worst.nrmse.max(deviation.nrmse);
        }
        Ok(worst)
    }
}

impl Expected {
    fn check(&self, got: &Tensor) -> Result<Deviation, String> {
        if got.dtype() != self.dtype || got.shape() != self.shape {
            return Err(format!("{}{:?} instead of {}{:?}", got.dtype(), got.shape(), self.dtype, self.shape));
        }
        let (all, want) = (values(got), values(&self.values));
        let got: Vec<f64> = match &self.indices {
            None => all,
            Some(indices) => indices.iter().map(|&at| all.get(at).copied().unwrap_or(f64::NAN)).collect(),
        };
        if got.len() != want.len() || got.is_empty() != (checked_len(&self.shape) == Some(0)) {
            return Err(format!("the reference has {} values for {}", want.len(), got.len()));
        }
        let Some(limits) = self.limits else {
            return match got.iter().zip(&want).position(|(got, want)| got != want) {
                None => Ok(Deviation { worst: 0.0, nrmse: 0.0 }),
                Some(at) => Err(format!("value {at} is {} instead of {}", got[at], want[at])),
            };
        };
        let (mut worst, mut squares) = (0.0f64, 0.0);
        for (at, (got, want)) in got.iter().zip(&want).enumerate() {
            let difference = (got - want).abs();
            let ratio = difference / (limits.atol + limits.rtol * want.abs());
            if !(ratio <= 1.0 || difference == 0.0) {
                return Err(format!("value {at} is {got} instead of {want}, {ratio:.1} times what is allowed"));
            }
            worst = worst.max(ratio);
            squares += difference * difference;
        }
        let nrmse = (squares / want.len().max(1) as f64).sqrt() / limits.rms.max(f64::MIN_POSITIVE);
        if nrmse > limits.nrmse_tol {
            return Err(format!(
                "the rms of the differences is {nrmse:.2e} of the output's; {:.2e} is allowed",
                limits.nrmse_tol
            ));
        }
        Ok(Deviation { worst, nrmse })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(limits: Option<Limits>) -> Expected {
        Expected {
            name: "y".into(),
            dtype: DType::F32,
            shape: vec![4],
            indices: Some(vec![0, 3]),
            values: Tensor::new([2], vec![1f32, 2.0]).unwrap(),
            limits,
        }
    }

    #[test]
    fn every_limit_can_fail() {
        let limits = Limits { rtol: 1e-2, atol: 1e-3, nrmse_tol: 5e-3, rms: 1.0 };
        let check = |a: f32, b: f32, limits| expected(limits).check(&Tensor::new([4], vec![a, 9.0, 9.0, b]).unwrap());
        assert!(check(1.0, 2.0, None).is_ok());
        assert!(check(1.0, 2.0001, None).unwrap_err().contains("value 1"));
        assert!(check(1.001, 2.001, Some(limits)).is_ok());
        assert!(check(1.02, 2.0, Some(limits)).unwrap_err().contains("allowed"));
        assert!(check(1.01, 2.02, Some(limits)).unwrap_err().contains("rms"));
        assert!(check(f32::NAN, 2.0, Some(limits)).is_err());
        assert!(expected(None).check(&Tensor::new([4], vec![1i32; 4]).unwrap()).unwrap_err().contains("i32[4]"));
        assert!(expected(None).check(&Tensor::new([2, 2], vec![1f32; 4]).unwrap()).is_err());
    }
}
