//! A user's kernel as a request.

use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::oneshot;

use super::message::{Call, Message, Prepared, SharedPlan};
use super::model::after;
use super::recent::Recent;
use super::request::{Request, When};
use super::stages::uploads;
use super::{Shared, ids};
use crate::error::{Error, Result};
use crate::kernel::{Access, Binding, Kernel, Variant};
use crate::link::{self, Clamp, Head, LinkedKernel, Scalars, SegmentId, SegmentKind};
use crate::lower::Cost;
use crate::lower::storage::Storage;
use crate::plan::{Dispatch, Keep, Location, Operand, Plan, PlanInput, PlanOutput, Source};
use crate::schedule::{Admission, Class, ModelId};
use crate::tensor::{DType, Tensor};

/// A kernel of the caller's own. It shares bundles with the models; its indices are clamped to its own tensors.
#[derive(Clone)]
pub struct UserKernel {
    shared: Arc<Shared>,
    kernel: Arc<Kernel>,
    guard: Arc<Guard>,
}

/// Tells the engine when the last handle is gone.
struct Guard {
    id: ModelId,
    shared: Arc<Shared>,
    plans: Mutex<Recent<PlanKey, Arc<SharedPlan>>>,
}

/// What a plan depends on: the overrides' values by their bits, the type and shape of each tensor, and the workgroups. Parameters
/// come with the request.
type PlanKey = (Vec<(String, u64)>, Vec<(DType, Vec<usize>)>, [u32; 3]);

impl Drop for Guard {
    fn drop(&mut self) {
        // An engine that has stopped has freed everything.
        let _ = self.shared.port.send(Message::Unload(self.id));
    }
}

impl Guard {
    /// The plan of that key. The same key gives the same plan, so that its requests share what the engine makes of it.
    fn plan(&self, name: &str, key: PlanKey, make: impl FnOnce() -> Result<Plan>) -> Result<Arc<SharedPlan>> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(&key) {
            return Ok(plan.clone());
        }
        let plan = make()?;
        let plan = Arc::new(SharedPlan::new(self.id, name.into(), plan, Arc::default()));
        plans.insert(key, plan.clone());
        Ok(plan)
    }
}

impl UserKernel {
    pub(super) fn new(shared: Arc<Shared>, text: &str) -> Result<Self> {
        let _span = tracing::debug_span!("load_kernel").entered();
        let kernel = Arc::new(Kernel::user(text)?);
        // Whatever the linker would refuse later, it refuses here.
        let segments = vec![SegmentId { index: 0, kind: SegmentKind::Heap }; kernel.bindings.len()];
        link::link(
            &[LinkedKernel { variant: Variant::new(kernel.clone(), []), segments }],
            Clamp::Users,
            Head::Table,
            Scalars::Components,
        )?;
        let guard = Arc::new(Guard {
            id: ids::model(),
            plans: Mutex::new(Recent::new(shared.plan_cache)),
            shared: shared.clone(),
        });
        Ok(UserKernel { shared, kernel, guard })
    }

    /// The reflected kernel: bindings, parameters, workgroup size.
    #[cfg(feature = "unstable")]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Starts a request.
    pub fn request(&self) -> KernelRequest {
        KernelRequest {
            kernel: self.clone(),
            tensors: vec![None; self.kernel.bindings.len()],
            params: vec![0; self.kernel.params.as_ref().map_or(0, |params| params.size as usize)],
            constants: Vec::new(),
            workgroups: [1, 1, 1],
            schedule: When::default(),
        }
    }
}

impl std::fmt::Debug for UserKernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserKernel").field("name", &self.kernel.name).finish_non_exhaustive()
    }
}

/// One run of a user's kernel, under construction.
///
/// Every `read_write` binding is an output of its [`Completion`](super::Completion), by the variable's name.
#[derive(Clone, Debug)]
pub struct KernelRequest {
    kernel: UserKernel,
    tensors: Vec<Option<Tensor>>,
    params: Vec<u8>,
    constants: Vec<(String, f64)>,
    workgroups: [u32; 3],
    schedule: When,
}

impl KernelRequest {
    /// Gives a binding its tensor: for `read` the input, for `read_write` the content before the run.
    ///
    /// # Errors
    /// `Input` if the kernel has no such binding.
    pub fn tensor(mut self, binding: &str, tensor: Tensor) -> Result<Self> {
        let at = self.position(binding)?;
        self.tensors[at] = Some(tensor);
        Ok(self)
    }

    /// Gives a `read_write` binding its type and shape; it starts as zeros.
    ///
    /// # Errors
    /// `Input` if the kernel has no such binding; `Shape` if the shape overflows.
    pub fn output(self, binding: &str, dtype: DType, shape: impl Into<Vec<usize>>) -> Result<Self> {
        let tensor = Tensor::zeros(dtype, shape)?;
        self.tensor(binding, tensor)
    }

    /// Sets a member of the parameter struct.
    ///
    /// # Errors
    /// `Input` if there is no such member or `value` is not of its size.
    pub fn param(mut self, name: &str, value: impl bytemuck::NoUninit) -> Result<Self> {
        let bytes = bytemuck::bytes_of(&value);
        let field = self
            .kernel
            .kernel
            .params
            .iter()
            .flat_map(|params| &params.fields)
            .find(|field| field.name == name)
            .ok_or_else(|| Error::input(format!("the kernel has no parameter '{name}'")))?;
        if bytes.len() != field.size as usize {
            return Err(Error::input(format!("parameter '{name}' has {} bytes, not {}", field.size, bytes.len())));
        }
        let start = field.offset as usize;
        self.params[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(self)
    }

    /// Sets an `override` of the kernel.
    ///
    /// # Errors
    /// `Input` if there is no such override.
    pub fn constant(mut self, name: &str, value: f64) -> Result<Self> {
        if !self.kernel.kernel.overrides.iter().any(|known| known == name) {
            return Err(Error::input(format!("the kernel has no override '{name}'")));
        }
        self.constants.retain(|(known, _)| known != name);
        self.constants.push((name.to_owned(), value));
        Ok(self)
    }

    /// Sets the number of workgroups in x, y and z; one each otherwise.
    #[must_use]
    pub fn workgroups(mut self, workgroups: [u32; 3]) -> Self {
        self.workgroups = workgroups;
        self
    }

    /// Asks for the results within this time from `submit`.
    #[must_use]
    pub fn deadline(mut self, deadline: std::time::Duration) -> Self {
        self.schedule.deadline = Some(deadline);
        self
    }

    /// Ranks the request beside others.
    #[must_use]
    pub fn class(mut self, class: Class) -> Self {
        self.schedule.class = class;
        self
    }

    /// What becomes of the request if it cannot keep its deadline.
    #[must_use]
    pub fn admission(mut self, admission: Admission) -> Self {
        self.schedule.admission = admission;
        self
    }

    /// Latest wins: the request takes the place of an earlier one with the same key that has not begun.
    #[must_use]
    pub fn key(mut self, key: u64) -> Self {
        self.schedule.key = Some(key);
        self
    }

    /// Hands the request to the engine.
    ///
    /// # Errors
    /// `Input` for a binding without a tensor or with one of a type without a heap representation; `Kernel` if the
    /// override values make the kernel invalid; `Limit` for more than 2^32 - 1 workgroups; `QueueFull` if
    /// [`Options::max_queued`](super::Options::max_queued) requests are under way; `Closed`.
    pub fn submit(self) -> Result<Request> {
        let KernelRequest {
            kernel: UserKernel { shared, kernel, guard },
            tensors,
            params,
            constants,
            workgroups,
            schedule,
        } = self;
        let Call { id, submitted, span, seat } = Call::new(&shared, guard.id, &kernel.name)?;
        if workgroups.iter().try_fold(1u32, |n, &d| n.checked_mul(d)).is_none() {
            return Err(Error::limit(format!("{workgroups:?} workgroups are more than 2^32 - 1")));
        }
        let variant = Variant::new(kernel.clone(), constants.iter().map(|(name, value)| (name.as_str(), *value)));
        if !constants.is_empty() {
            let segments = vec![SegmentId { index: 0, kind: SegmentKind::Heap }; kernel.bindings.len()];
            link::link(
                &[LinkedKernel { variant: variant.clone(), segments }],
                Clamp::Users,
                Head::Table,
                Scalars::Components,
            )?;
        }
        let inputs = kernel
            .bindings
            .iter()
            .zip(tensors)
            .map(|(binding, tensor)| tensor.ok_or_else(|| missing(binding)))
            .collect::<Result<Vec<Tensor>>>()?;
        let mut overrides: Vec<(String, u64)> =
            constants.into_iter().map(|(name, value)| (name, value.to_bits())).collect();
        overrides.sort();
        let key = (overrides, inputs.iter().map(|x| (x.dtype(), x.shape().to_vec())).collect(), workgroups);
        let plan =
            guard.plan(&kernel.name, key, || plan(variant, &inputs, workgroups, shared.target.max_binding_bytes))?;
        let inputs: Vec<Option<Tensor>> = inputs.into_iter().map(Some).collect();
        let uploads = uploads(&plan.plan, &inputs)?;
        let (reply, answer) = oneshot::channel();
        let prepared = Prepared {
            id,
            plan,
            params: Some(params.chunks(4).map(word).collect()),
            inputs,
            uploads,
            held: Vec::new(),
            kept: Vec::new(),
            course: None,
            deadline: schedule.deadline.map(|deadline| after(submitted, deadline)),
            class: schedule.class,
            admission: schedule.admission,
            key: schedule.key,
            submitted,
            span,
            seat,
            reply,
        };
        shared.port.send(Message::Submit(Box::new(prepared)))?;
        Ok(Request::new(id, shared, None, answer))
    }

    fn position(&self, binding: &str) -> Result<usize> {
        let bindings = &self.kernel.kernel.bindings;
        bindings.iter().position(|known| known.name == binding).ok_or_else(|| {
            let known: Vec<&str> = bindings.iter().map(|binding| binding.name.as_str()).collect();
            Error::input(format!("the kernel has no binding '{binding}'; its bindings are {}", known.join(", ")))
        })
    }
}

fn missing(binding: &Binding) -> Error {
    Error::input(format!("binding '{}' has no tensor", binding.name))
}

/// A plan of one dispatch, whose parameters come with each request. Every tensor is uploaded whole, so that nothing of an earlier tenant shows through.
fn plan(variant: Variant, tensors: &[Tensor], grid: [u32; 3], cap: u64) -> Result<Plan> {
    let kernel = variant.kernel().clone();
    let mut plan = Plan::default();
    let mut offset = 0u64;
    let mut operands = Vec::with_capacity(tensors.len());
    for (index, (binding, tensor)) in kernel.bindings.iter().zip(tensors).enumerate() {
        // A kernel of the user's sees words, whatever the type.
        let dtype = tensor.dtype();
        if dtype.is_half() || matches!(dtype, DType::F64 | DType::U64) {
            return Err(Error::input(format!(
                "binding '{}': kernels cannot be given tensors of type {dtype}",
                binding.name
            )));
        }
        let storage = Storage::Word;
        let bytes = tensor.len() as u64 * u64::from(storage.bits() / 8);
        let operand = Operand { location: Location::Activation { region: 0, offset }, bytes };
        operands.push(operand);
        // An empty tensor still has an address.
        offset += bytes.max(16).next_multiple_of(256);
        plan.inputs.push(PlanInput {
            name: binding.name.clone(),
            dtype,
            storage,
            shape: tensor.shape().to_vec(),
            operand: (bytes > 0).then_some(operand),
            resident: false,
            room: None,
        });
        if binding.access == Access::ReadWrite {
            let runs = !grid.contains(&0) && bytes > 0;
            plan.outputs.push(PlanOutput {
                name: binding.name.clone(),
                dtype,
                storage,
                shape: tensor.shape().to_vec(),
                source: if runs { Source::Device(operand) } else { Source::Input(index) },
                keep: Keep::Read,
                room: None,
            });
        }
    }
    if offset > cap {
        return Err(Error::memory(format!("the kernel's tensors have {offset} bytes; the device binds at most {cap}")));
    }
    plan.regions.push(offset.max(256));
    if !grid.contains(&0) {
        let bytes = tensors.iter().map(|tensor| tensor.bytes().len() as u64).sum();
        plan.dispatches.push(Dispatch {
            coalesce: None,
            label: kernel.name.as_str().into(),
            variant,
            grid,
            operands,
            params: Vec::new(),
            deps: Arc::from([]),
            cost: Cost { flops: bytes, bytes },
        });
    }
    Ok(plan)
}

fn word(bytes: &[u8]) -> u32 {
    let mut word = [0; 4];
    word[..bytes.len()].copy_from_slice(bytes);
    u32::from_ne_bytes(word)
}
