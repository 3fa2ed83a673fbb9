//! Tensors that stay on the device, apart from the request that made them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::channel::oneshot;

use super::content::Content;
use super::message::{Fetch, Message};
use super::model::InputInfo;
use super::stages::{Given, Resident};
use super::{Shared, closed};
use crate::error::{Error, Result};
use crate::graph::Dim;
use crate::tensor::{DType, Tensor};

/// A tensor in the device's memory, which any model of its runtime takes as an input. Cheap to clone; every clone is the same tensor.
///
/// Requests make them of the outputs that [`RequestBuilder::keep`](super::RequestBuilder::keep) names, and it is theirs no longer: the model and
/// the request may go. Its memory counts towards [`Options::memory_cap`](super::Options::memory_cap), and is free again when the last clone and the
/// last request that reads it are gone. An output that the model does not compute, such as a constant or an input that it passes
/// on, takes none: it stays on the host, and goes up with each request that reads it.
#[derive(Clone)]
pub struct DeviceTensor {
    shared: Arc<Shared>,
    place: Place,
}

/// Where a tensor is.
#[derive(Clone)]
enum Place {
    Device(Resident),
    Host(Tensor),
}

impl DeviceTensor {
    pub(super) fn on_device(shared: Arc<Shared>, resident: Resident) -> Self {
        DeviceTensor { shared, place: Place::Device(resident) }
    }

    pub(super) fn on_host(shared: Arc<Shared>, tensor: Tensor) -> Self {
        DeviceTensor { shared, place: Place::Host(tensor) }
    }

    /// Its element type.
    pub fn dtype(&self) -> DType {
        match &self.place {
            Place::Device(resident) => resident.dtype,
            Place::Host(tensor) => tensor.dtype(),
        }
    }

    /// Its shape.
    pub fn shape(&self) -> &[usize] {
        match &self.place {
            Place::Device(resident) => &resident.shape,
            Place::Host(tensor) => tensor.shape(),
        }
    }

    /// Bytes that it has on the device: those of its elements, packed, and what rounds them up.
    pub fn device_bytes(&self) -> u64 {
        match &self.place {
            Place::Device(resident) => resident.hold.bytes(),
            Place::Host(_) => 0,
        }
    }

    /// Brings it to the host: the tensor that its request would have returned, to the bit.
    ///
    /// # Errors
    /// `QueueFull` if [`Options::max_queued`](super::Options::max_queued) requests and downloads are under way; `Closed` if the engine has
    /// stopped.
    pub fn download(&self) -> Result<Download> {
        let (reply, answer) = oneshot::channel();
        match &self.place {
            // The other ends are below.
            Place::Host(tensor) => drop(reply.send(Ok(Content::Tensor(tensor.clone())))),
            Place::Device(resident) if resident.shape.contains(&0) => {
                let empty = Tensor::zeros(resident.dtype, resident.shape.clone()).map(Content::Tensor);
                drop(reply.send(empty));
            }
            Place::Device(resident) => {
                let seat = self.shared.queue.seat(format_args!("a download"))?;
                let fetch = Fetch { resident: resident.clone(), seat, reply };
                self.shared.port.send(Message::Fetch(Box::new(fetch)))?;
            }
        }
        Ok(Download { shared: self.shared.clone(), answer })
    }

    /// It as the input `info` of a model of `runtime`.
    ///
    /// # Errors
    /// `Input` if it is another runtime's, or of another type.
    pub(super) fn as_input(&self, runtime: &Arc<Shared>, info: &InputInfo) -> Result<Given> {
        let (name, dtype, shape) = (&info.name, self.dtype(), self.shape());
        if !Arc::ptr_eq(runtime, &self.shared) {
            return Err(Error::input(format!(
                "input '{name}': the tensor {dtype}{shape:?} is on the device of another runtime; download it first"
            )));
        }
        if dtype != info.dtype {
            let wanted = info.dtype;
            let dims = info.shape.iter().map(Dim::to_string).collect::<Vec<_>>().join(", ");
            return Err(Error::input(format!("input '{name}' is {dtype}{shape:?}, but {wanted}[{dims}] is wanted")));
        }
        Ok(match &self.place {
            Place::Device(resident) => Given::Device(resident.clone()),
            Place::Host(tensor) => Given::Host(tensor.clone()),
        })
    }
}

/// Whether both are clones of one tensor; of tensors on the host, whether they are equal.
impl PartialEq for DeviceTensor {
    fn eq(&self, other: &Self) -> bool {
        match (&self.place, &other.place) {
            (Place::Device(one), Place::Device(other)) => Arc::ptr_eq(&one.hold, &other.hold),
            (Place::Host(one), Place::Host(other)) => one == other,
            _ => false,
        }
    }
}

impl fmt::Debug for DeviceTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceTensor")
            .field("dtype", &self.dtype())
            .field("shape", &self.shape())
            .finish_non_exhaustive()
    }
}

/// A tensor on its way to the host: a future that needs no particular executor. See [`DeviceTensor::download`].
///
/// Dropping it cancels what has not been issued.
#[must_use = "dropping a download cancels it"]
pub struct Download {
    shared: Arc<Shared>,
    answer: oneshot::Receiver<Result<Content>>,
}

impl Download {
    /// Waits for the tensor on this thread, without an executor.
    ///
    /// # Errors
    /// `Memory` if there is no room to read it back; `Device` or `Closed`.
    pub fn wait(self) -> Result<Tensor> {
        self.shared.driver.wait(self.answer)?.ok_or_else(closed)??.tensor()
    }
}

impl Future for Download {
    type Output = Result<Tensor>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let content = std::task::ready!(Pin::new(&mut self.answer).poll(context));
        Poll::Ready(content.unwrap_or_else(|_| Err(closed())).and_then(|mut content| content.tensor()))
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").finish_non_exhaustive()
    }
}
