// The boxes of each batch and class that overlap no better one too much, best first: an invocation for each class of each batch.

// Whether a box is centre and size, not two corners.
override CENTRE: bool = false;
// Whether there is a score that boxes must exceed.
override SCORE: bool = false;

struct Params {
    // Classes of all batches, and of one.
    rows: u32,
    classes: u32,
    boxes: u32,
    // The most boxes of a class, not more than there are.
    most: u32,
}

@group(0) @binding(0) var<storage, read> boxes: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> scores: array<f32>;
// Of each row: which box is where by its score.
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read> overlap: array<f32>;
@group(0) @binding(4) var<storage, read> least: array<f32>;
@group(0) @binding(5) var<storage, read_write> selected: array<u32>;
@group(0) @binding(6) var<storage, read_write> counts: array<u32>;
@group(0) @binding(7) var<uniform> params: Params;

// The lower corner, and the upper one.
fn corners(box: vec4<f32>) -> vec4<f32> {
    if CENTRE {
        return vec4(box.xy - box.zw / 2.0, box.xy + box.zw / 2.0);
    }
    return vec4(min(box.xy, box.zw), max(box.xy, box.zw));
}

fn overlaps(a: vec4<f32>, b: vec4<f32>) -> bool {
    let low = max(a.xy, b.xy);
    let high = min(a.zw, b.zw);
    if any(high <= low) {
        return false;
    }
    let shared_area = (high.x - low.x) * (high.y - low.y);
    let size_a = (a.z - a.x) * (a.w - a.y);
    let size_b = (b.z - b.x) * (b.w - b.y);
    let both = size_a + size_b - shared_area;
    if shared_area <= 0.0 || size_a <= 0.0 || size_b <= 0.0 || both <= 0.0 {
        return false;
    }
    return shared_area / both > overlap[0];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let row = workgroup.x * 64u + local;
    if row >= params.rows {
        return;
    }
    let first = row / params.classes * params.boxes;
    var count = 0u;
    for (var place = 0u; place < params.boxes; place++) {
        if count >= params.most {
            break;
        }
        let index = order[row * params.boxes + place];
        if SCORE && !(scores[row * params.boxes + index] > least[0]) {
            continue;
        }
        let box = corners(boxes[first + index]);
        var alone = true;
        for (var k = 0u; k < count; k++) {
            if overlaps(box, corners(boxes[first + selected[row * params.most + k]])) {
                alone = false;
                break;
            }
        }
        if alone {
            selected[row * params.most + count] = index;
            count++;
        }
    }
    counts[row] = count;
}
