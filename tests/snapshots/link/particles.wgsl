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
    let _e5 = lanes[lane];
    let _e11 = (((group % _e5.z) * 64u) + local_1);
    let _e15 = lanes[(lane + 3u)];
    let _e19 = lanes[(lane + 2u)];
    let particles_base = _e19.x;
    let copies_base = _e19.z;
    if (_e11 >= _e15.x) {
        return;
    }
    let _e26 = (_e11 * 2u);
    let _e27 = (_e11 * 2u);
    let _e31 = heap_0_[(particles_base + _e26)];
    let _e37 = heap_0_[(particles_base + _e26)].w;
    let _e40 = ((particles_base + _e26) + 1u);
    let _e43 = heap_0_[_e40].x;
    let _e46 = heap_0_[_e40].y;
    let _e53 = heap_0_[((particles_base + _e26) + 1u)].z;
    let _e57 = particles_0_moved(Particle(bitcast<vec3<f32>>(_e31.xyz), bitcast<f32>(_e37), bitcast<vec2<f32>>(vec2<u32>(_e43, _e46)), _e53), bitcast<f32>(_e15.y));
    let _e59 = bitcast<vec3<u32>>(_e57.position);
    let _e60 = (copies_base + _e27);
    heap_0_[_e60].x = _e59.x;
    heap_0_[_e60].y = _e59.y;
    heap_0_[_e60].z = _e59.z;
    heap_0_[(copies_base + _e27)].w = bitcast<u32>(_e57.mass);
    let _e76 = bitcast<vec2<u32>>(_e57.velocity);
    let _e78 = ((copies_base + _e27) + 1u);
    heap_0_[_e78].x = _e76.x;
    heap_0_[_e78].y = _e76.y;
    heap_0_[((copies_base + _e27) + 1u)].z = _e57.id;
    let _e94 = heap_0_[((particles_base + _e26) + 1u)].y;
    heap_0_[((particles_base + _e26) + 1u)].y = bitcast<u32>((bitcast<f32>(_e94) + 0.5f));
    let _e105 = heap_0_[(particles_base + _e26)].w;
    heap_0_[(particles_base + _e26)].w = bitcast<u32>((bitcast<f32>(_e105) * 2f));
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
