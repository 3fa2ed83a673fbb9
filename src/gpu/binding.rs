//! Bind groups: the lane table at binding 0 and each segment at its own bindings, cached by those and table buffer.

use std::collections::HashMap;
use std::sync::Arc;

use super::memory::Memory;
use super::tables::{TABLES, TableBuffers};
use crate::link::{SegmentBinding, SegmentId, SegmentKind};

/// Sets of segments beyond these start the cache afresh; few sets are ever in use.
const MAX_SETS: usize = 512;
/// Bytes of what is bound where a linked shader names a segment that holds nothing any more.
const STAND_IN_BYTES: u64 = 256;

/// The layout of a pipeline with those bindings beside the table.
pub(super) fn layout(device: &wgpu::Device, bindings: &[SegmentBinding]) -> wgpu::BindGroupLayout {
    let entry = |binding, read_only, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only },
            has_dynamic_offset,
            min_binding_size: None,
        },
        count: None,
    };
    let table = entry(0, true, true);
    let bindings = bindings.iter().map(|bound| entry(bound.binding, bound.segment.kind == SegmentKind::Weights, false));
    let entries: Vec<_> = std::iter::once(table).chain(bindings).collect();
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some("fascine"), entries: &entries })
}

/// A pipeline's bindings and the table buffer.
type Key = (Arc<[SegmentBinding]>, usize);

/// Which segments those of the kernels are bound to, and the group for that.
type Group = (Vec<(SegmentId, SegmentId)>, wgpu::BindGroup);

/// The cache.
#[derive(Debug)]
pub(super) struct BindGroups {
    device: wgpu::Device,
    stand_ins: [wgpu::Buffer; 2],
    groups: HashMap<Key, Vec<Group>>,
    count: usize,
    generation: u64,
}

impl BindGroups {
    pub(super) fn new(device: wgpu::Device) -> Self {
        let stand_in = || {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("fascine stand-in"),
                size: STAND_IN_BYTES,
                usage: wgpu::BufferUsages::STORAGE,
                mapped_at_creation: false,
            })
        };
        let stand_ins = [stand_in(), stand_in()];
        BindGroups { device, stand_ins, groups: HashMap::new(), count: 0, generation: 0 }
    }

    /// Forgets every group, so that buffers that are gone elsewhere are freed.
    pub(super) fn clear(&mut self) {
        self.groups.clear();
        self.count = 0;
    }

    /// Forgets groups of buffers that memory has replaced.
    pub(super) fn sync(&mut self, memory: &Memory) {
        if self.generation != memory.generation() {
            self.generation = memory.generation();
            self.clear();
        }
    }

    /// The group for `bindings` with the table buffer `table`; `bound` says which segments of the memory those of the kernels are bound to.
    pub(super) fn get(
        &mut self,
        layout: &wgpu::BindGroupLayout,
        bindings: &Arc<[SegmentBinding]>,
        bound: &[(SegmentId, SegmentId)],
        memory: &Memory,
        tables: &TableBuffers,
        table: usize,
    ) -> &wgpu::BindGroup {
        if self.count >= MAX_SETS * TABLES {
            self.clear();
        }
        let Self { device, stand_ins, groups, count, .. } = self;
        let known = groups.entry((bindings.clone(), table)).or_default();
        let at = known.iter().position(|(of, _)| of == bound).unwrap_or_else(|| {
            *count += 1;
            let span = std::num::NonZero::new(tables.span());
            let table = wgpu::BufferBinding { buffer: tables.buffer(table), offset: 0, size: span };
            let table = wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(table) };
            let bindings = bindings.iter().map(|&SegmentBinding { binding, segment }| {
                // One for each kind: a buffer cannot be bound for reading and for writing in one dispatch.
                let stand_in = &stand_ins[usize::from(segment.kind == SegmentKind::Weights)];
                let own = bound.iter().find(|(linked, _)| *linked == segment).map_or(segment, |&(_, own)| own);
                let buffer = memory.buffer(own).unwrap_or(stand_in);
                wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() }
            });
            let entries: Vec<_> = std::iter::once(table).chain(bindings).collect();
            let descriptor = wgpu::BindGroupDescriptor { label: Some("fascine"), layout, entries: &entries };
            known.push((bound.to_vec(), device.create_bind_group(&descriptor)));
            known.len() - 1
        });
        &known[at].1
    }
}
