(module
  (memory (export "memory") 4)
  ;; XORs the bytes [at, end) with the four bytes of key, lowest first; returns 0 if the result is ASCII
  (func $mask (export "mask") (param $at i32) (param $end i32) (param $key i32) (result i32)
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
    (i32.or (i8x16.bitmask (local.get $seen)) (i32.and (local.get $rest) (i32.const 128))))
  ;; Unmasks the payloads of the plain frames from at on: whole text or binary messages, masked, with a length of 7 bits,
  ;; that end before limit; returns the end of the last one, with bit 31 set if a byte of their text is not ASCII
  (func (export "unmaskPlain") (param $at i32) (param $limit i32) (result i32)
    (local $first i32) (local $second i32) (local $end i32) (local $seen i32)
    (block $done
      (loop $frames
        (br_if $done (i32.gt_u (i32.add (local.get $at) (i32.const 6)) (local.get $limit)))
        (local.set $first (i32.load8_u (local.get $at)))
        (br_if $done (i32.gt_u (i32.sub (local.get $first) (i32.const 0x81)) (i32.const 1)))
        (local.set $second (i32.sub (i32.load8_u offset=1 (local.get $at)) (i32.const 0x80)))
        (br_if $done (i32.gt_u (local.get $second) (i32.const 125)))
        (local.set $end (i32.add (i32.add (local.get $at) (i32.const 6)) (local.get $second)))
        (br_if $done (i32.gt_u (local.get $end) (local.get $limit)))
        (local.set $second
          (call $mask (i32.add (local.get $at) (i32.const 6)) (local.get $end) (i32.load offset=2 align=1 (local.get $at))))
        (if (i32.and (i32.eq (local.get $first) (i32.const 0x81)) (i32.ne (local.get $second) (i32.const 0)))
          (then (local.set $seen (i32.const 0x80000000))))
        (local.set $at (local.get $end))
        (br $frames)))
    (i32.or (local.get $at) (local.get $seen))))
