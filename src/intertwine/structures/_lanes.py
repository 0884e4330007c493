"""Eight numbers at once in compiled loops: vectors of float64 that stay in registers.

The compiler turns long loops into such vectors by itself, but not the short ones inside a loop over the entries of a
row, nor does it keep their sums in registers. Vectors of LLVM are no instructions of one processor: where registers are
shorter, each operation becomes two or four.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import extending, njit, types

LANES = 8
intrinsic: Any = extending.intrinsic  # its first argument is given by the compiler, which types do not say
_LINE = 64  # bytes of a cache line: a vector across two of them is read twice

_BIT, _INDEX = ir.IntType(1), ir.IntType(32)
_VECTOR, _MASK = ir.VectorType(ir.DoubleType(), LANES), ir.VectorType(_BIT, LANES)


class _Lanes(types.Type):
    def __init__(self):
        super().__init__(name=f"Lanes({LANES})")


lanes = _Lanes()


@extending.register_model(_Lanes)
class _LanesModel(extending.models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, _VECTOR)


@njit(cache=True, nogil=True)
def aligned_zeros(n):
    """So many zeros that begin with a line of the cache."""
    room = np.zeros(n + LANES)
    skip = (-room.ctypes.data % _LINE) // 8
    return room[skip : skip + n]


def _constant(values):
    return ir.Constant(_VECTOR, [float(value) for value in values])


def _places(values):
    return ir.Constant(ir.VectorType(_INDEX, len(values)), list(values))


def _spread(builder, number):
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(one, one, _places([0] * LANES))


def _pointer(context, builder, signature, args):
    array = context.make_array(signature.args[0])(context, builder, args[0])
    at = context.cast(builder, args[1], signature.args[1], types.intp)
    return builder.bitcast(builder.gep(array.data, [at]), _VECTOR.as_pointer())


def _halved(builder, vector, join):
    """One number of all lanes, joined pairwise."""
    size = LANES
    while size > 1:
        size //= 2
        low = builder.shuffle_vector(vector, vector, _places(range(size)))
        high = builder.shuffle_vector(vector, vector, _places(range(size, 2 * size)))
        vector = join(low, high)
    return builder.extract_element(vector, ir.Constant(_INDEX, 0))


def _smaller(builder, one, other):
    return builder.select(builder.fcmp_ordered("<", one, other), one, other)


@intrinsic
def spread(_, number):
    """One number in all lanes."""

    def codegen(context, builder, signature, args):
        return _spread(builder, args[0])

    return lanes(types.float64), codegen


@intrinsic
def load(_, array, at):
    """Read lanes of a contiguous array from an index on."""

    def codegen(context, builder, signature, args):
        return builder.load(_pointer(context, builder, signature, args), align=8)

    return lanes(array, at), codegen


@intrinsic
def store(_, array, at, vector):
    """Write lanes to a contiguous array from an index on."""

    def codegen(context, builder, signature, args):
        builder.store(args[2], _pointer(context, builder, signature, args), align=8)
        return context.get_dummy_value()

    return types.void(array, at, vector), codegen


@intrinsic
def multiply_add(_, factor, vector, rest):
    """Give factor · vector + rest; the factor is one number, or lanes."""
    one = not isinstance(factor, _Lanes)

    def codegen(context, builder, signature, args):
        by = _spread(builder, args[0]) if one else args[0]
        return builder.fadd(builder.fmul(by, args[1], flags=["contract"]), args[2], flags=["contract"])

    return lanes(types.float64 if one else factor, vector, rest), codegen


@intrinsic
def smaller(_, one, other):
    """Take the smaller number of each lane; that of ``other`` where one of them is NaN."""

    def codegen(context, builder, signature, args):
        return _smaller(builder, *args)

    return lanes(one, other), codegen


@intrinsic
def smallest(_, vector):
    """Smallest number of all lanes."""

    def codegen(context, builder, signature, args):
        return _halved(builder, args[0], lambda low, high: _smaller(builder, low, high))

    return types.float64(vector), codegen


@intrinsic
def total(_, vector):
    """Sum of all lanes."""

    def codegen(context, builder, signature, args):
        return _halved(builder, args[0], builder.fadd)

    return types.float64(vector), codegen


@intrinsic
def first(_, vector):
    """Number of the first lane."""

    def codegen(context, builder, signature, args):
        return builder.extract_element(args[0], ir.Constant(_INDEX, 0))

    return types.float64(vector), codegen


@intrinsic
def without_first_two(_, vector):
    """Zero in the first two lanes, the others as they are."""

    def codegen(context, builder, signature, args):
        kept = ir.Constant(_MASK, [0, 0] + [1] * (LANES - 2))
        return builder.select(kept, args[0], _constant([0] * LANES))

    return lanes(vector), codegen


@intrinsic
def add_ranks(_, ranks, others, vector):
    """Add to each lane how many numbers of ``others`` are smaller than that of ``vector``."""

    def codegen(context, builder, signature, args):
        ranks, others, vector = args
        for place in range(LANES):
            other = builder.shuffle_vector(others, others, _places([place] * LANES))
            below = builder.fcmp_ordered("<", other, vector)
            ranks = builder.fadd(ranks, builder.select(below, _constant([1] * LANES), _constant([0] * LANES)))
        return ranks

    return lanes(ranks, others, vector), codegen


@intrinsic
def largest_below(_, vector, ranks, rank):
    """Largest number whose rank is below one; −∞ where there is none."""

    def codegen(context, builder, signature, args):
        vector, ranks, rank = args
        rank = context.cast(builder, rank, signature.args[2], types.float64)
        low = builder.fcmp_ordered("<", ranks, _spread(builder, rank))
        vector = builder.select(low, vector, _constant([-np.inf] * LANES))
        return _halved(builder, vector, lambda a, b: builder.select(builder.fcmp_ordered("<", a, b), b, a))

    return types.float64(vector, ranks, rank), codegen


@intrinsic
def at_most(_, vector, number):
    """Bits, from the lowest on, of the lanes that are not above a number."""

    def codegen(context, builder, signature, args):
        low = builder.fcmp_ordered("<=", args[0], _spread(builder, args[1]))
        return builder.zext(builder.bitcast(low, ir.IntType(LANES)), ir.IntType(64))

    return types.uint64(vector, types.float64), codegen


@intrinsic
def lowest_bit(_, word):
    """Place of the lowest bit of a word that is not zero."""

    def codegen(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(_BIT, 1))

    return types.int64(types.uint64), codegen


@intrinsic
def inserted(_, vector, number, sorted_by, by):
    """Insert a number where ``by`` belongs in rising ``sorted_by``, after its equals; the last one drops out."""

    def codegen(context, builder, signature, args):
        vector, number, sorted_by, by = args
        one_up = _places([LANES, *range(LANES - 1)])
        after = builder.fcmp_ordered("<", _spread(builder, by), sorted_by)
        pushed = builder.shuffle_vector(after, ir.Constant(_MASK, [0] * LANES), one_up)
        moved = builder.shuffle_vector(vector, vector, one_up)
        return builder.select(after, builder.select(pushed, moved, _spread(builder, number)), vector)

    return lanes(vector, types.float64, sorted_by, types.float64), codegen
