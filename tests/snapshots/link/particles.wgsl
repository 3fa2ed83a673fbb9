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

fn particles_0_(lane: u32, group: u32, local_1: u32) {
    let _e7 = ((group * 64u) + local_1);
    let _e11 = lanes[(lane + 2u)];
    let _e13 = lanes[lane];
    let particles_base = _e13.z;
    let _e17 = lanes[(lane + 1u)];
    let copies_base = _e17.x;
    if (_e7 >= _e11.x) {
        return;
    }
    let _e23 = (_e7 * 2u);
    let _e24 = (_e7 * 2u);
    let _e28 = heap_0_[(particles_base + _e23)];
    let _e34 = heap_0_[(particles_base + _e23)].w;
    let _e37 = ((particles_base + _e23) + 1u);
    let _e40 = heap_0_[_e37].x;
    let _e43 = heap_0_[_e37].y;
    let _e50 = heap_0_[((particles_base + _e23) + 1u)].z;
    let _e54 = particles_0_moved(Particle(bitcast<vec3<f32>>(_e28.xyz), bitcast<f32>(_e34), bitcast<vec2<f32>>(vec2<u32>(_e40, _e43)), _e50), bitcast<f32>(_e11.y));
    let _e56 = bitcast<vec3<u32>>(_e54.position);
    let _e57 = (copies_base + _e24);
    heap_0_[_e57].x = _e56.x;
    heap_0_[_e57].y = _e56.y;
    heap_0_[_e57].z = _e56.z;
    heap_0_[(copies_base + _e24)].w = bitcast<u32>(_e54.mass);
    let _e73 = bitcast<vec2<u32>>(_e54.velocity);
    let _e75 = ((copies_base + _e24) + 1u);
    heap_0_[_e75].x = _e73.x;
    heap_0_[_e75].y = _e73.y;
    heap_0_[((copies_base + _e24) + 1u)].z = _e54.id;
    let _e91 = heap_0_[((particles_base + _e23) + 1u)].y;
    heap_0_[((particles_base + _e23) + 1u)].y = bitcast<u32>((bitcast<f32>(_e91) + 0.5f));
    let _e102 = heap_0_[(particles_base + _e23)].w;
    heap_0_[(particles_base + _e23)].w = bitcast<u32>((bitcast<f32>(_e102) * 2f));
    return;
}

@compute @workgroup_size(64, 1, 1) 
fn main(@builtin(workgroup_id) workgroup_: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    var low: u32 = 0u;
    var high: u32;
    var found: u32;

    let linear = ((workgroup_.y * workgroups.x) + workgroup_.x);
    let _e11 = lanes[0u];
    if (linear >= _e11.y) {
        return;
    }
    if (_e11.w == 0u) {
        let _e28 = lanes[((linear >> 2u) + 1u)][(linear & 3u)];
        found = _e28;
    } else {
        high = _e11.x;
        loop {
            let _e30 = low;
            let _e31 = high;
            if ((_e30 + 1u) >= _e31) {
                break;
            }
            let middle = ((_e30 + _e31) >> 1u);
            let _e41 = lanes[((middle >> 2u) + 1u)][(middle & 3u)];
            if (_e41 > linear) {
                high = middle;
            } else {
                low = middle;
            }
        }
        let _e43 = low;
        found = (_e11.z + (_e43 * _e11.w));
    }
    let lane_1 = found;
    let _e49 = lanes[lane_1];
    let group_1 = (linear + _e49.y);
    particles_0_(lane_1, group_1, local);
}
