"""Sums of products over named axes."""

import numpy as np
from generate import Const, case, floats, ints

EQUATIONS = [
    ("ij->ji", [(2, 3)]),
    ("ij", [(2, 3)]),
    ("ba", [(2, 3)]),
    ("ij->", [(2, 3)]),
    ("ij->j", [(2, 3)]),
    ("ii", [(3, 3)]),
    ("ii->i", [(3, 3)]),
    ("iij->ji", [(3, 3, 2)]),
    ("iii->i", [(3, 3, 3)]),
    ("...ii->...i", [(2, 3, 3)]),
    ("iji->j", [(3, 2, 3)]),
    ("...->...", [(2, 3)]),
    ("i...->...", [(2, 3, 4)]),
    ("...i->i...", [(2, 3, 4)]),
    (" i j -> j i ", [(2, 3)]),
    ("ij,jk->ik", [(2, 3), (3, 4)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("ij,kj->ik", [(2, 3), (4, 3)]),
    ("ij,jk->ki", [(2, 3), (3, 4)]),
    ("i,i->", [(5,), (5,)]),
    ("i,j->ij", [(5,), (3,)]),
    ("i,j->ji", [(5,), (3,)]),
    ("i,->i", [(5,), ()]),
    (",->", [(), ()]),
    ("ij,ij->ij", [(2, 3), (2, 3)]),
    ("ij,ij->i", [(2, 3), (2, 3)]),
    ("ij,j->i", [(2, 3), (3,)]),
    ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]),
    ("bhid,bhjd->bhij", [(2, 2, 3, 4), (2, 2, 5, 4)]),
    ("bid,bjd->bij", [(2, 3, 4), (2, 5, 4)]),
    ("bthd,hde->bte", [(2, 3, 2, 4), (2, 4, 5)]),
    ("abc,cda->bd", [(2, 3, 4), (4, 5, 2)]),
    ("abcd,cdef->abef", [(2, 3, 2, 2), (2, 2, 3, 1)]),
    ("abc,d->adcb", [(2, 3, 4), (5,)]),
    ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]),
    ("...i,...i", [(2, 3), (3,)]),
    ("i...,i...->...", [(3, 2), (3, 2)]),
    ("ij,jj->i", [(2, 3), (3, 3)]),
    ("ij,k->k", [(2, 3), (4,)]),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]),
    ("i,j,k->kji", [(2,), (3,), (4,)]),
    ("ij,ik,il->jkl", [(2, 3), (2, 4), (2, 2)]),
    ("aB,Bc->ac", [(2, 3), (3, 2)]),
    ("Ba,aC", [(2, 3), (3, 2)]),
]


def cases():
    for equation, shapes in EQUATIONS:
        for kind in ("f32", "i32", "i64"):
            make = lambda k, shape: floats(k, *shape) if kind == "f32" else ints(k, *shape, dtype=np.int32 if kind == "i32" else np.int64)
            inputs = [np.asarray(make(k, shape)) for k, shape in enumerate(shapes)]
            exact = [x.astype(np.float64) if kind == "f32" else x for x in inputs]
            expect = np.asarray(np.einsum(equation, *exact)).astype(inputs[0].dtype)
            yield case(f"{equation} {kind}", "Einsum", inputs, 12, attrs={"equation": equation}, expect=[expect], rtol=1e-5, atol=1e-5)
    a, b = floats(1, 2, 3), floats(2, 3, 4)
    yield case("a constant", "Einsum", [a, Const(b)], 12, attrs={"equation": "ij,jk->ik"}, expect=[a @ b])
    empty = np.zeros((2, 0), np.float32), np.zeros((0, 4), np.float32)
    yield case("over nothing", "Einsum", list(empty), 12, attrs={"equation": "ij,jk->ik"}, expect=[np.zeros((2, 4), np.float32)])
    half = a.astype(np.float16), b.astype(np.float16)
    yield case("f16", "Einsum", list(half), 12, attrs={"equation": "ij,jk->ik"}, expect=[(half[0].astype(np.float32) @ half[1].astype(np.float32)).astype(np.float16)], rtol=2e-3, atol=1e-3)
    for name, equation, error in [("too few letters", "i,jk->ik", "letter"), ("a letter of nobody", "ij,jk->iz", "no input has"), ("twice in the output", "ij,jk->ii", "twice"), ("too few terms", "ij->ij", "term"), ("no letters", "i1,jk->ik", "wrong"), ("sizes that differ", "ij,ik->jk", "cannot be multiplied")]:
        yield case(name, "Einsum", [a, b], 12, attrs={"equation": equation}, error=error)
