struct Particle {
    position: vec3<f32>,
    mass: f32,
    velocity: vec2<f32>,
    id: u32,
}

@group(0) @binding(0) 
var<storage> lanes: array<vec4<u32>>;
@group(0) @binding(1) 
var<storage, read_write> heap_0_: array<vec4<u32>>;

fn particles_0_moved(p: Particle, step_: f32) -> Particle {
    var q: Particle;

    q = p;
    let _e5 = q.position;
    q.position = (_e5 + (vec3<f32>(p.velocity, 0f) * step_));
    let _e10 = q;
    return _e10;
}

fn particles_0_(group: u32, local_1: u32, record_0_1: vec4<u32>, record_1_1: vec4<u32>, record_2_1: vec4<u32>) {
    let _e4 = ((group * 64u) + local_1);
    let particles_base = record_0_1.z;
    let copies_base = record_1_1.x;
    if (_e4 >= record_2_1.x) {
        return;
    }
    let _e16 = (_e4 * 2u);
    let _e17 = (_e4 * 2u);
    let _e21 = heap_0_[(particles_base + _e16)];
    let _e27 = heap_0_[(particles_base + _e16)].w;
    let _e30 = ((particles_base + _e16) + 1u);
    let _e35 = heap_0_[_e30].x;
    let _e36 = heap_0_[_e30].y;
    let _e43 = heap_0_[((particles_base + _e16) + 1u)].z;
    let _e47 = particles_0_moved(Particle(bitcast<vec3<f32>>(_e21.xyz), bitcast<f32>(_e27), bitcast<vec2<f32>>(vec2<u32>(_e35, _e36)), _e43), bitcast<f32>(record_2_1.y));
    let _e49 = bitcast<vec3<u32>>(_e47.position);
    let _e50 = (copies_base + _e17);
    heap_0_[_e50].x = _e49.x;
    heap_0_[_e50].y = _e49.y;
    heap_0_[_e50].z = _e49.z;
    heap_0_[(copies_base + _e17)].w = bitcast<u32>(_e47.mass);
    let _e66 = bitcast<vec2<u32>>(_e47.velocity);
    let _e68 = ((copies_base + _e17) + 1u);
    heap_0_[_e68].x = _e66.x;
    heap_0_[_e68].y = _e66.y;
    heap_0_[((copies_base + _e17) + 1u)].z = _e47.id;
    let _e84 = heap_0_[((particles_base + _e16) + 1u)].y;
    heap_0_[((particles_base + _e16) + 1u)].y = bitcast<u32>((bitcast<f32>(_e84) + 0.5f));
    let _e95 = heap_0_[(particles_base + _e16)].w;
    heap_0_[(particles_base + _e16)].w = bitcast<u32>((bitcast<f32>(_e95) * 2f));
    return;
}

@compute @workgroup_size(64, 1, 1) 
fn main(@builtin(workgroup_id) workgroup_: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    var lane: u32 = 1u;
    var record_0_: vec4<u32>;
    var record_1_: vec4<u32>;
    var record_2_: vec4<u32>;
    var low: u32;
    var high: u32;
    var found: u32;

    let linear = ((workgroup_.y * workgroups.x) + workgroup_.x);
    let _e11 = lanes[0u];
    if (linear >= _e11.y) {
        return;
    }
    let _e19 = lanes[1u];
    record_0_ = _e19;
    let _e23 = lanes[2u];
    record_1_ = _e23;
    let _e27 = lanes[3u];
    record_2_ = _e27;
    if (_e11.x > 1u) {
        if (_e11.w == 0u) {
            let _e41 = lanes[(_e11.z + (linear >> 2u))][(linear & 3u)];
            found = _e41;
        } else {
            low = 0u;
            high = _e11.x;
            loop {
                let _e43 = low;
                let _e44 = high;
                if ((_e43 + 1u) >= _e44) {
                    break;
                }
                let middle = ((_e43 + _e44) >> 1u);
                let _e55 = lanes[(_e11.z + (middle >> 2u))][(middle & 3u)];
                if (_e55 > linear) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            let _e57 = low;
            found = ((_e57 * _e11.w) + 1u);
        }
        let _e60 = found;
        lane = _e60;
        let _e62 = lanes[_e60];
        record_0_ = _e62;
        let _e65 = lanes[(_e60 + 1u)];
        record_1_ = _e65;
        let _e68 = lanes[(_e60 + 2u)];
        record_2_ = _e68;
    }
    let _e69 = record_0_;
    let _e70 = record_1_;
    let _e71 = record_2_;
    let group_1 = (linear + _e69.y);
    particles_0_(group_1, local, _e69, _e70, _e71);
}
