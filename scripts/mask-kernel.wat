(module
  (memory (export "memory") 4)
  ;; XORs the bytes [at, end) with the four bytes of key, lowest first; returns 0 if the result is ASCII
  (func (export "mask") (param $at i32) (param $end i32) (param $key i32) (result i32)
    (local $keys v128) (local $seen v128) (local $part v128) (local $byte i32) (local $rest i32)
    (local.set $keys (i32x4.splat (local.get $key)))
    (block $few
      (loop $many
        (br_if $few (i32.gt_u (i32.add (local.get $at) (i32.const 32)) (local.get $end)))
        (local.set $part (v128.xor (v128.load (local.get $at)) (local.get $keys)))
        (v128.store (local.get $at) (local.get $part))
        (local.set $seen (v128.or (local.get $seen) (local.get $part)))
        (local.set $part (v128.xor (v128.load offset=16 (local.get $at)) (local.get $keys)))
        (v128.store offset=16 (local.get $at) (local.get $part))
        (local.set $seen (v128.or (local.get $seen) (local.get $part)))
        (local.set $at (i32.add (local.get $at) (i32.const 32)))
        (br $many)))
    (block $done
      (loop $bytes
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $byte (i32.xor (i32.load8_u (local.get $at)) (i32.and (local.get $key) (i32.const 255))))
        (i32.store8 (local.get $at) (local.get $byte))
        (local.set $rest (i32.or (local.get $rest) (local.get $byte)))
        (local.set $key (i32.rotr (local.get $key) (i32.const 8)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $bytes)))
    (i32.or (i8x16.bitmask (local.get $seen)) (i32.and (local.get $rest) (i32.const 128)))))
