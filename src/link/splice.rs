//! The module under construction, and the maps from a kernel's handles to its own.
//!
//! Functions are taken over whole; only what they refer to on module level is remapped. Enums are matched exhaustively and
//! structs destructured, so that a change of naga's IR is a compile error here.

use std::collections::BTreeMap;

use naga::{
    AddressSpace, ArraySize, Constant, Expression, Function, GlobalVariable, Handle, MemoryDecorations, Module,
    ResourceBinding, Scalar, Span, SpecialTypes, StorageAccess, StructMember, Type, TypeInner, VectorSize,
};

use super::relocate::remap_expression;
use super::specialise::Specialised;
use super::{SegmentBinding, SegmentId, SegmentKind};
use crate::error::{Error, Result};
use crate::kernel::Trust;

/// New handles by old ones, for one arena of one kernel.
#[derive(Debug)]
pub(super) struct HandleMap<T>(Vec<Option<Handle<T>>>);

impl<T> HandleMap<T> {
    pub(super) fn new(len: usize) -> Self {
        HandleMap(vec![None; len])
    }

    pub(super) fn insert(&mut self, old: Handle<T>, new: Handle<T>) {
        self.0[old.index()] = Some(new);
    }

    /// The new handle.
    ///
    /// # Panics
    /// If it was not inserted: callers go through arenas in order, and validated modules refer backwards only.
    pub(super) fn get(&self, old: Handle<T>) -> Handle<T> {
        self.0[old.index()].expect("validated modules refer to earlier items, which are mapped already")
    }
}

/// The binding at which the words of segment 0 are; before them is room for the `vec4<u32>`s of every segment.
pub(super) const WORDS: u32 = 1 + u8::MAX as u32 + 1;

/// The module under construction.
pub(super) struct Merged {
    pub(super) module: Module,
    /// The lane table.
    pub(super) table: Handle<GlobalVariable>,
    pub(super) vec4_type: Handle<Type>,
    memory: Handle<Type>,
    segments: BTreeMap<u8, (SegmentId, Handle<GlobalVariable>)>,
    /// By segment, its variable as words.
    words: BTreeMap<u8, Handle<GlobalVariable>>,
    workgroup: Vec<WorkgroupVariable>,
    /// Functions that kernels share, by what they are: every handle in it is of the merged module.
    functions: BTreeMap<String, Handle<Function>>,
}

/// A workgroup variable that kernels share.
struct WorkgroupVariable {
    ty: Handle<Type>,
    variable: Handle<GlobalVariable>,
    /// Whether a user's kernel has it, which may load and store it as a whole.
    fixed: bool,
}

impl Merged {
    pub(super) fn new() -> Self {
        let mut module = Module::default();
        let vec4 = TypeInner::Vector { size: VectorSize::Quad, scalar: Scalar::U32 };
        let vec4 = module.types.insert(Type { name: None, inner: vec4 }, Span::UNDEFINED);
        let memory = TypeInner::Array { base: vec4, size: ArraySize::Dynamic, stride: 16 };
        let memory = module.types.insert(Type { name: None, inner: memory }, Span::UNDEFINED);
        let table = buffer("lanes", 0, StorageAccess::LOAD, memory);
        let table = module.global_variables.append(table, Span::UNDEFINED);
        Merged {
            module,
            table,
            vec4_type: vec4,
            memory,
            segments: BTreeMap::new(),
            words: BTreeMap::new(),
            workgroup: Vec::new(),
            functions: BTreeMap::new(),
        }
    }

    /// The variable through which the module sees the segment.
    pub(super) fn segment(&mut self, segment: SegmentId) -> Result<Handle<GlobalVariable>> {
        if let Some((known, variable)) = self.segments.get(&segment.index) {
            if *known != segment {
                return Err(Error::internal(format!("segment {} is both of the heap and of weights", segment.index)));
            }
            return Ok(*variable);
        }
        let (name, access) = match segment.kind {
            SegmentKind::Heap => ("heap", StorageAccess::LOAD | StorageAccess::STORE),
            SegmentKind::Weights => ("weights", StorageAccess::LOAD),
        };
        let variable = buffer(&format!("{name}_{}", segment.index), 1 + u32::from(segment.index), access, self.memory);
        let variable = self.module.global_variables.append(variable, Span::UNDEFINED);
        self.segments.insert(segment.index, (segment, variable));
        Ok(variable)
    }

    /// The variable through which the module sees the segment as an `array<u32>`.
    pub(super) fn words(&mut self, segment: SegmentId) -> Handle<GlobalVariable> {
        if let Some(known) = self.words.get(&segment.index) {
            return *known;
        }
        let word = self.u32_type();
        let words = self.insert_type(TypeInner::Array { base: word, size: ArraySize::Dynamic, stride: 4 });
        let (name, access) = match segment.kind {
            SegmentKind::Heap => ("heap_words", StorageAccess::LOAD | StorageAccess::STORE),
            SegmentKind::Weights => ("weights_words", StorageAccess::LOAD),
        };
        let variable = buffer(&format!("{name}_{}", segment.index), WORDS + u32::from(segment.index), access, words);
        let variable = self.module.global_variables.append(variable, Span::UNDEFINED);
        self.words.insert(segment.index, variable);
        variable
    }

    pub(super) fn append(&mut self, function: Function) -> Handle<Function> {
        self.module.functions.append(function, Span::UNDEFINED)
    }

    /// As [`Merged::append`], unless an equal function is there already.
    pub(super) fn share(&mut self, function: Function) -> Handle<Function> {
        let key = format!("{function:?}");
        if let Some(known) = self.functions.get(&key) {
            return *known;
        }
        let handle = self.append(function);
        self.functions.insert(key, handle);
        handle
    }

    /// The segments asked for so far, sorted.
    pub(super) fn segments(&self) -> Vec<SegmentId> {
        let mut segments: Vec<SegmentId> = self.segments.values().map(|(segment, _)| *segment).collect();
        segments.sort();
        segments
    }

    pub(super) fn insert_type(&mut self, inner: TypeInner) -> Handle<Type> {
        self.module.types.insert(Type { name: None, inner }, Span::UNDEFINED)
    }

    pub(super) fn u32_type(&mut self) -> Handle<Type> {
        self.insert_type(TypeInner::Scalar(Scalar::U32))
    }

    /// Takes over types, constants and variables. What is a storage binding or the parameters gets no variable.
    pub(super) fn splice(&mut self, from: &Specialised, prefix: &str) -> Result<ModuleMap> {
        let Module {
            types,
            special_types,
            constants,
            overrides: _,
            global_variables,
            global_expressions,
            functions,
            entry_points: _,
            diagnostic_filters: _,
            diagnostic_filter_leaf: _,
            doc_comments: _,
        } = &from.module;
        let mut map = ModuleMap {
            types: HandleMap::new(types.len()),
            constants: HandleMap::new(constants.len()),
            globals: HandleMap::new(global_variables.len()),
            functions: HandleMap::new(functions.len()),
        };
        for (old, ty) in types.iter() {
            let Type { name, inner } = ty;
            let ty = Type { name: name.clone(), inner: remap_type(inner, from.array_sizes[old.index()], &map) };
            map.types.insert(old, self.module.types.insert(ty, Span::UNDEFINED));
        }
        self.splice_special_types(special_types, &map)?;
        let mut expressions = HandleMap::new(global_expressions.len());
        let mut pending = constants.iter().peekable();
        for (old, expression) in global_expressions.iter() {
            // A constant's initialiser precedes every expression that names the constant.
            while let Some((constant, taken)) = pending.next_if(|(_, c)| c.init.index() < old.index()) {
                let new = self.splice_constant(taken, &map, &expressions);
                map.constants.insert(constant, new);
            }
            let new = remap_expression(expression, &map, &mut |child| Ok(expressions.get(child)))?;
            expressions.insert(old, self.module.global_expressions.append(new, Span::UNDEFINED));
        }
        for (constant, taken) in pending {
            let new = self.splice_constant(taken, &map, &expressions);
            map.constants.insert(constant, new);
        }
        self.splice_variables(from, prefix, &mut map, &expressions);
        Ok(map)
    }

    fn splice_special_types(&mut self, special: &SpecialTypes, map: &ModuleMap) -> Result<()> {
        let SpecialTypes {
            ray_desc,
            ray_intersection,
            ray_vertex_return,
            external_texture_params,
            external_texture_transfer_function,
            predeclared_types,
        } = special;
        let foreign = [
            ray_desc,
            ray_intersection,
            ray_vertex_return,
            external_texture_params,
            external_texture_transfer_function,
        ];
        if foreign.into_iter().any(Option::is_some) {
            return Err(Error::kernel("ray queries and external textures are not supported"));
        }
        for (key, ty) in predeclared_types {
            self.module.special_types.predeclared_types.insert(key.clone(), map.types.get(*ty));
        }
        Ok(())
    }

    fn splice_constant(
        &mut self,
        constant: &Constant,
        map: &ModuleMap,
        expressions: &HandleMap<Expression>,
    ) -> Handle<Constant> {
        let Constant { name, ty, init } = constant;
        let constant = Constant { name: name.clone(), ty: map.types.get(*ty), init: expressions.get(*init) };
        self.module.constants.append(constant, Span::UNDEFINED)
    }

    /// Workgroup variables are shared with other kernels, never within one kernel: the n-th of a type is the n-th.
    fn splice_variables(
        &mut self,
        from: &Specialised,
        prefix: &str,
        map: &mut ModuleMap,
        expressions: &HandleMap<Expression>,
    ) {
        let mut used = Vec::new();
        for (old, variable) in from.module.global_variables.iter() {
            let GlobalVariable { name, space, binding: _, ty, init, memory_decorations } = variable;
            let ty = map.types.get(*ty);
            let init = init.map(|init| expressions.get(init));
            let new = match space {
                AddressSpace::WorkGroup => {
                    let fixed = from.trust == Trust::User;
                    match self.shared(ty, fixed, &used) {
                        Some(handle) => handle,
                        None => {
                            let name = Some(format!("shared_{}", self.workgroup.len()));
                            let variable = self.append_variable(name, *space, ty, init, *memory_decorations);
                            self.workgroup.push(WorkgroupVariable { ty, variable, fixed });
                            variable
                        }
                    }
                }
                AddressSpace::Private => {
                    let name = Some(format!("{prefix}_{}", name.as_deref().unwrap_or("private")));
                    self.append_variable(name, *space, ty, init, *memory_decorations)
                }
                AddressSpace::Storage { .. } | AddressSpace::Uniform => continue,
                AddressSpace::Function
                | AddressSpace::Handle
                | AddressSpace::Immediate
                | AddressSpace::TaskPayload
                | AddressSpace::RayPayload
                | AddressSpace::IncomingRayPayload => unreachable!("reflection refuses these address spaces"),
            };
            used.push(new);
            map.globals.insert(old, new);
        }
    }

    /// A workgroup variable of the type that the kernel does not use yet. The project's kernels go through their arrays element by
    /// element, so that the longest array of an element type does for all of them: a module takes what its largest kernel takes.
    fn shared(
        &mut self,
        ty: Handle<Type>,
        fixed: bool,
        used: &[Handle<GlobalVariable>],
    ) -> Option<Handle<GlobalVariable>> {
        let elements = |ty: Handle<Type>| match self.module.types[ty].inner {
            TypeInner::Array { base, size: ArraySize::Constant(size), stride } => Some((base, stride, size)),
            _ => None,
        };
        let free = |shared: &WorkgroupVariable| !used.contains(&shared.variable);
        if let Some(same) = self.workgroup.iter_mut().find(|shared| shared.ty == ty && free(shared)) {
            same.fixed |= fixed;
            return Some(same.variable);
        }
        let (base, stride, size) = elements(ty).filter(|_| !fixed)?;
        let alike = |shared: &WorkgroupVariable| {
            elements(shared.ty).filter(|&(b, s, _)| !shared.fixed && free(shared) && (b, s) == (base, stride))
        };
        let (at, (_, _, known)) = (self.workgroup.iter().enumerate()).find_map(|(at, s)| Some((at, alike(s)?)))?;
        let shared = &mut self.workgroup[at];
        if size > known {
            shared.ty = ty;
            self.module.global_variables.get_mut(shared.variable).ty = ty;
        }
        Some(shared.variable)
    }

    fn append_variable(
        &mut self,
        name: Option<String>,
        space: AddressSpace,
        ty: Handle<Type>,
        init: Option<Handle<Expression>>,
        memory_decorations: MemoryDecorations,
    ) -> Handle<GlobalVariable> {
        let variable = GlobalVariable { name, space, binding: None, ty, init, memory_decorations };
        self.module.global_variables.append(variable, Span::UNDEFINED)
    }
}

/// The bindings of a merged module but its lane table, sorted; `segments` are all that it has.
pub(super) fn bindings(module: &Module, segments: &[SegmentId]) -> Vec<SegmentBinding> {
    let bound = |variable: &GlobalVariable| {
        let binding = variable.binding?.binding;
        let of = |segment: &&SegmentId| [1, WORDS].map(|first| first + u32::from(segment.index)).contains(&binding);
        segments.iter().find(of).map(|&segment| SegmentBinding { binding, segment })
    };
    let mut bindings: Vec<SegmentBinding> =
        module.global_variables.iter().filter_map(|(_, variable)| bound(variable)).collect();
    bindings.sort_by_key(|bound| bound.binding);
    bindings
}

/// From a specialised kernel's handles to the merged module's.
pub(super) struct ModuleMap {
    pub(super) types: HandleMap<Type>,
    pub(super) constants: HandleMap<Constant>,
    pub(super) globals: HandleMap<GlobalVariable>,
    pub(super) functions: HandleMap<Function>,
}

fn buffer(name: &str, binding: u32, access: StorageAccess, ty: Handle<Type>) -> GlobalVariable {
    GlobalVariable {
        name: Some(name.to_owned()),
        space: AddressSpace::Storage { access },
        binding: Some(ResourceBinding { group: 0, binding }),
        ty,
        init: None,
        memory_decorations: MemoryDecorations::empty(),
    }
}

fn remap_type(inner: &TypeInner, array_size: Option<ArraySize>, map: &ModuleMap) -> TypeInner {
    match inner {
        TypeInner::Scalar(_)
        | TypeInner::Vector { size: _, scalar: _ }
        | TypeInner::Matrix { columns: _, rows: _, scalar: _ }
        | TypeInner::CooperativeMatrix { columns: _, rows: _, scalar: _, role: _ }
        | TypeInner::Atomic(_)
        | TypeInner::ValuePointer { size: _, scalar: _, space: _ }
        | TypeInner::Image { dim: _, arrayed: _, class: _ }
        | TypeInner::Sampler { comparison: _ }
        | TypeInner::AccelerationStructure { vertex_return: _ }
        | TypeInner::RayQuery { vertex_return: _ } => inner.clone(),
        TypeInner::Pointer { base, space } => TypeInner::Pointer { base: map.types.get(*base), space: *space },
        TypeInner::Array { base, size, stride } => {
            TypeInner::Array { base: map.types.get(*base), size: array_size.unwrap_or(*size), stride: *stride }
        }
        TypeInner::Struct { members, span } => {
            let members = members.iter().map(|member| {
                let StructMember { name, ty, binding, offset } = member;
                StructMember { name: name.clone(), ty: map.types.get(*ty), binding: binding.clone(), offset: *offset }
            });
            TypeInner::Struct { members: members.collect(), span: *span }
        }
        TypeInner::BindingArray { base, size } => TypeInner::BindingArray { base: map.types.get(*base), size: *size },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::kernel::{Kernel, Trust, Variant};
    use crate::link::specialise::specialise;

    fn special(name: &str, variables: &str, uses: &str) -> Specialised {
        let text = format!(
            "@group(0) @binding(0) var<storage, read_write> out: array<u32>;
            {variables}
            @compute @workgroup_size(64) fn main() {{ out[0] = {uses}; }}"
        );
        let kernel = Kernel::parse(name, &text, Trust::Project).unwrap();
        specialise(&Variant::new(Arc::new(kernel), [])).unwrap()
    }

    fn count(merged: &Merged, space: AddressSpace) -> usize {
        merged.module.global_variables.iter().filter(|(_, v)| v.space == space).count()
    }

    #[test]
    fn workgroup_memory_is_shared_across_kernels_and_not_within_one() {
        let mut merged = Merged::new();
        let two = "var<workgroup> a: array<u32, 8>; var<workgroup> b: array<u32, 8>;";
        merged.splice(&special("k", two, "a[0] + b[0]"), "k").unwrap();
        assert_eq!(count(&merged, AddressSpace::WorkGroup), 2);
        let three = "var<workgroup> x: array<u32, 8>; var<workgroup> y: u32; var<workgroup> z: array<u32, 8>;";
        merged.splice(&special("l", three, "x[0] + y + z[0]"), "l").unwrap();
        assert_eq!(count(&merged, AddressSpace::WorkGroup), 3);
    }

    #[test]
    fn the_longest_array_of_an_element_type_does_for_the_projects_kernels() {
        let mut merged = Merged::new();
        let sizes = |merged: &Merged| -> Vec<u32> {
            let ctx = merged.module.to_ctx();
            let shared = merged.module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::WorkGroup);
            shared.map(|(_, v)| merged.module.types[v.ty].inner.try_size(ctx).unwrap()).collect()
        };
        let short = "var<workgroup> a: array<u32, 8>; var<workgroup> b: array<u32, 4>;";
        merged.splice(&special("k", short, "a[0] + b[0]"), "k").unwrap();
        assert_eq!(sizes(&merged), [32, 16]);
        merged.splice(&special("l", "var<workgroup> long: array<u32, 64>;", "long[0]"), "l").unwrap();
        assert_eq!(sizes(&merged), [256, 16]);
        // Another element type, and a user's kernel, which may take its array as a whole: each has its own.
        merged.splice(&special("m", "var<workgroup> f: array<vec2<u32>, 64>;", "f[0].x"), "m").unwrap();
        let whole = "var<workgroup> mine: array<u32, 32>; fn at(a: array<u32, 32>) -> u32 { var b = a; return b[3]; }";
        let user = Specialised { trust: Trust::User, ..special("u", whole, "at(mine)") };
        merged.splice(&user, "u").unwrap();
        assert_eq!(sizes(&merged), [256, 16, 512, 128]);
        merged.splice(&special("n", "var<workgroup> longest: array<u32, 100>;", "longest[0]"), "n").unwrap();
        assert_eq!(sizes(&merged), [400, 16, 512, 128]);
    }

    #[test]
    fn private_variables_are_never_shared() {
        let mut merged = Merged::new();
        for name in ["k", "l"] {
            merged.splice(&special(name, "var<private> p: u32 = 1u;", "p"), name).unwrap();
        }
        assert_eq!(count(&merged, AddressSpace::Private), 2);
    }

    #[test]
    fn a_segment_is_bound_once_and_is_either_for_tensors_or_for_weights() {
        let mut merged = Merged::new();
        let heap = SegmentId { index: 3, kind: SegmentKind::Heap };
        assert_eq!(merged.segment(heap).unwrap(), merged.segment(heap).unwrap());
        let variable = merged.segment(heap).unwrap();
        let binding = merged.module.global_variables[variable].binding;
        assert_eq!(binding, Some(ResourceBinding { group: 0, binding: 4 }));
        assert!(merged.segment(SegmentId { index: 3, kind: SegmentKind::Weights }).is_err());
    }

    #[test]
    fn override_sized_arrays_have_their_variants_length() {
        let mut merged = Merged::new();
        merged.splice(&special("k", "override N = 24u; var<workgroup> a: array<u32, N>;", "a[0]"), "k").unwrap();
        let (_, variable) =
            merged.module.global_variables.iter().find(|(_, v)| v.space == AddressSpace::WorkGroup).unwrap();
        assert_eq!(merged.module.types[variable.ty].inner.try_size(merged.module.to_ctx()), Some(96));
    }
}
