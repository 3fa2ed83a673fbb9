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
    let _e11 = lanes[(lane + 3u)];
    let _e15 = lanes[(lane + 2u)];
    let particles_base = _e15.x;
    let copies_base = _e15.z;
    if (_e7 >= _e11.x) {
        return;
    }
    let _e22 = (_e7 * 2u);
    let _e23 = (_e7 * 2u);
    let _e27 = heap_0_[(particles_base + _e22)];
    let _e33 = heap_0_[(particles_base + _e22)].w;
    let _e36 = ((particles_base + _e22) + 1u);
    let _e39 = heap_0_[_e36].x;
    let _e42 = heap_0_[_e36].y;
    let _e49 = heap_0_[((particles_base + _e22) + 1u)].z;
    let _e53 = particles_0_moved(Particle(bitcast<vec3<f32>>(_e27.xyz), bitcast<f32>(_e33), bitcast<vec2<f32>>(vec2<u32>(_e39, _e42)), _e49), bitcast<f32>(_e11.y));
    let _e55 = bitcast<vec3<u32>>(_e53.position);
    let _e56 = (copies_base + _e23);
    heap_0_[_e56].x = _e55.x;
    heap_0_[_e56].y = _e55.y;
    heap_0_[_e56].z = _e55.z;
    heap_0_[(copies_base + _e23)].w = bitcast<u32>(_e53.mass);
    let _e72 = bitcast<vec2<u32>>(_e53.velocity);
    let _e74 = ((copies_base + _e23) + 1u);
    heap_0_[_e74].x = _e72.x;
    heap_0_[_e74].y = _e72.y;
    heap_0_[((copies_base + _e23) + 1u)].z = _e53.id;
    let _e90 = heap_0_[((particles_base + _e22) + 1u)].y;
    heap_0_[((particles_base + _e22) + 1u)].y = bitcast<u32>((bitcast<f32>(_e90) + 0.5f));
    let _e101 = heap_0_[(particles_base + _e22)].w;
    heap_0_[(particles_base + _e22)].w = bitcast<u32>((bitcast<f32>(_e101) * 2f));
    return;
}

@compute @workgroup_size(64, 1, 1) 
fn main(@builtin(workgroup_id) workgroup_: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    var low: u32 = 0u;
    var high: u32;

    let linear = ((workgroup_.y * workgroups.x) + workgroup_.x);
    let _e11 = lanes[0u];
    if (linear >= _e11.y) {
        return;
    }
    high = _e11.x;
    loop {
        let _e18 = low;
        let _e19 = high;
        if ((_e18 + 1u) >= _e19) {
            break;
        }
        let middle = ((_e18 + _e19) >> 1u);
        let _e32 = lanes[((middle >> 2u) + 1u)][(middle & 3u)];
        if (_e32 > linear) {
            high = middle;
        } else {
            low = middle;
        }
    }
    let _e34 = low;
    let _e40 = lanes[((_e34 >> 2u) + 1u)][(_e34 & 3u)];
    let lane_1 = ((_e11.z >> 2u) + (_e34 * (_e11.w >> 2u)));
    let _e48 = lanes[lane_1];
    let group_1 = ((linear - _e40) + _e48.y);
    particles_0_(lane_1, group_1, local);
}
