;; tape.wat — the callbacks llhttp runs while it parses: they write positions to a tape in the arena and call nobody.
;;
;; This module shares the arena's memory. It has no data segment, no stack and no globals: all of its state lies in one
;; control block that JavaScript prepares before llhttp_execute and reads after it. Its functions are put into llhttp's
;; own function table and a settings record points at them, so a head of any size costs no call into JavaScript.
;;
;; Control block, at 0x20000 (the third page; llhttp's data and stack end at 0x12cc0). layout.ts holds the same figures.
;;
;;   +0  base        address that field positions are relative to
;;   +4  top         where the next tape record goes (address)
;;   +8  fields      field records of the head
;;   +12 bodies      body records
;;   +16 trailers    field records behind the body
;;   +20 phase       0 in the head, 1 head complete, 2 in the trailers, 3 message complete
;;   +24 last        what the last span was: 0 nothing yet, 1 target or reason, 2 field name, 3 field value, 4 body
;;   +28 target      position of the request target (of the reason phrase in a response), relative to base
;;   +32 targetSize  its size
;;   +36 seen        bits, see $finish-head
;;   +40 pauseHead   1: stop behind the head, because the body's bytes are elsewhere
;;   +44 fieldsMax   field records allowed in the head, and in the trailers
;;   +48 chunks      chunk size lines met
;;   +52 host +56 expect +60 upgrade +64 transferEncoding   address of the (last) field record of that name, where `seen`
;;   +68 flags       llhttp's flags when the head was complete; trailers may change llhttp's own
;;   +72 answerTo    what a response answers: 0 a request that may have content back, 1 HEAD, 2 CONNECT
;;
;; Tape records are 16 bytes. Field: name position, name size | known name << 24, value position, value size, all
;; relative to base. Body: address, size, 0, 0. In order: fields, bodies, trailers.
;;
;; A callback answers 0 to go on, 21 (HPE_PAUSED) to stop, 24 (HPE_USER) for "too many fields".
(module
  (import "env" "memory" (memory 1))

  ;; The request target, or the reason phrase of a response. May come in pieces where the head came in pieces.
  (func (export "onTarget") (param $parser i32) (param $at i32) (param $size i32) (result i32)
    (local $c i32)
    (local.set $c (i32.const 0x20000))
    (if (i32.eqz (i32.load offset=24 (local.get $c)))
      (then
        (i32.store offset=24 (local.get $c) (i32.const 1))
        (i32.store offset=28 (local.get $c) (i32.sub (local.get $at) (i32.load (local.get $c))))))
    (i32.store offset=32 (local.get $c)
      (i32.sub
        (i32.sub (i32.add (local.get $at) (local.get $size)) (i32.load (local.get $c)))
        (i32.load offset=28 (local.get $c))))
    (i32.const 0))

  ;; A field name, or the rest of one.
  (func (export "onFieldName") (param $parser i32) (param $at i32) (param $size i32) (result i32)
    (local $c i32) (local $top i32) (local $counter i32)
    (local.set $c (i32.const 0x20000))
    (local.set $top (i32.load offset=4 (local.get $c)))
    (if (i32.eq (i32.load offset=24 (local.get $c)) (i32.const 2))
      (then
        (i32.store (i32.sub (local.get $top) (i32.const 12))
          (i32.sub
            (i32.sub (i32.add (local.get $at) (local.get $size)) (i32.load (local.get $c)))
            (i32.load (i32.sub (local.get $top) (i32.const 16)))))
        (return (i32.const 0))))
    ;; The counter is that of the head, or behind it that of the trailers.
    (local.set $counter (i32.const 0x20008))
    (if (i32.load offset=20 (local.get $c))
      (then
        (local.set $counter (i32.const 0x20010))
        (i32.store offset=20 (local.get $c) (i32.const 2))))
    (if (i32.ge_u (i32.load (local.get $counter)) (i32.load offset=44 (local.get $c)))
      (then (return (i32.const 24))))
    (i32.store (local.get $counter) (i32.add (i32.load (local.get $counter)) (i32.const 1)))
    (i32.store offset=24 (local.get $c) (i32.const 2))
    (i32.store (local.get $top) (i32.sub (local.get $at) (i32.load (local.get $c))))
    (i32.store offset=4 (local.get $top) (local.get $size))
    (i64.store offset=8 (local.get $top) (i64.const 0))
    (i32.store offset=4 (local.get $c) (i32.add (local.get $top) (i32.const 16)))
    (i32.const 0))

  ;; A field value, or the rest of one. An empty value comes too, with size 0.
  (func (export "onFieldValue") (param $parser i32) (param $at i32) (param $size i32) (result i32)
    (local $c i32) (local $record i32)
    (local.set $c (i32.const 0x20000))
    (local.set $record (i32.sub (i32.load offset=4 (local.get $c)) (i32.const 16)))
    (if (i32.ne (i32.load offset=24 (local.get $c)) (i32.const 3))
      (then
        (i32.store offset=24 (local.get $c) (i32.const 3))
        (i32.store offset=8 (local.get $record) (i32.sub (local.get $at) (i32.load (local.get $c))))))
    (i32.store offset=12 (local.get $record)
      (i32.sub
        (i32.sub (i32.add (local.get $at) (local.get $size)) (i32.load (local.get $c)))
        (i32.load offset=8 (local.get $record))))
    (i32.const 0))

  ;; Bytes of the body. They lie where they were received, so their address is kept as it is.
  (func (export "onBody") (param $parser i32) (param $at i32) (param $size i32) (result i32)
    (local $c i32) (local $top i32)
    (local.set $c (i32.const 0x20000))
    (local.set $top (i32.load offset=4 (local.get $c)))
    (i32.store offset=24 (local.get $c) (i32.const 4))
    (i32.store (local.get $top) (local.get $at))
    (i32.store offset=4 (local.get $top) (local.get $size))
    (i64.store offset=8 (local.get $top) (i64.const 0))
    (i32.store offset=4 (local.get $c) (i32.add (local.get $top) (i32.const 16)))
    (i32.store offset=12 (local.get $c) (i32.add (i32.load offset=12 (local.get $c)) (i32.const 1)))
    (i32.const 0))

  (func (export "onChunkHeader") (param $parser i32) (result i32)
    (i32.store (i32.const 0x20030) (i32.add (i32.load (i32.const 0x20030)) (i32.const 1)))
    (i32.const 0))

  ;; The head of a request is complete and lies in one piece from base on.
  (func (export "onHeadComplete") (param $parser i32) (result i32)
    (local $c i32) (local $seen i32)
    (local.set $c (i32.const 0x20000))
    (local.set $seen (call $finish-head))
    ;; llhttp would stop parsing behind a request with Upgrade. The handler may ignore it, then it is a request like any
    ;; other (RFC 9110 §7.8), so llhttp's flag is taken back and only noted; CONNECT keeps it: what follows is no HTTP.
    (if (i32.load8_u offset=48 (local.get $parser))
      (then
        (local.set $seen (i32.or (local.get $seen) (i32.const 128)))
        (if (i32.ne (i32.load8_u offset=41 (local.get $parser)) (i32.const 5))
          (then (i32.store8 offset=48 (local.get $parser) (i32.const 0))))))
    (i32.store offset=36 (local.get $c) (i32.or (local.get $seen) (call $look-at-target)))
    (i32.store offset=68 (local.get $c) (i32.load16_u offset=50 (local.get $parser)))
    (i32.store offset=20 (local.get $c) (i32.const 1))
    (select (i32.const 21) (i32.const 0) (i32.load offset=40 (local.get $c))))

  ;; The head of a response is complete. Whether content follows depends on the request and the status before it depends on
  ;; any field (RFC 9112 §6.3): none behind 1xx, 204, 304, a response to HEAD, a 2xx response to CONNECT.
  (func (export "onResponseHeadComplete") (param $parser i32) (result i32)
    (local $c i32) (local $status i32) (local $flags i32)
    (local.set $c (i32.const 0x20000))
    (i32.store offset=36 (local.get $c) (i32.or (call $finish-head) (call $look-at-reason)))
    (local.set $flags (i32.load16_u offset=50 (local.get $parser)))
    (i32.store offset=68 (local.get $c) (local.get $flags))
    (local.set $status (i32.load16_u offset=52 (local.get $parser)))
    (if (i32.or
          (i32.or
            (i32.lt_u (local.get $status) (i32.const 200))
            (i32.or
              (i32.eq (local.get $status) (i32.const 204))
              (i32.eq (local.get $status) (i32.const 304))))
          (i32.or
            (i32.eq (i32.load offset=72 (local.get $c)) (i32.const 1))
            (i32.and
              (i32.eq (i32.load offset=72 (local.get $c)) (i32.const 2))
              (i32.lt_u (i32.sub (local.get $status) (i32.const 200)) (i32.const 100)))))
      ;; F_SKIPBODY
      (then (i32.store16 offset=50 (local.get $parser) (i32.or (local.get $flags) (i32.const 64)))))
    ;; Upgrade in any response but 101 is an offer (RFC 9110 §7.8) and ends nothing.
    (i32.store8 offset=48 (local.get $parser) (i32.const 0))
    (i32.store offset=20 (local.get $c) (i32.const 1))
    (select (i32.const 21) (i32.const 0) (i32.load offset=40 (local.get $c))))

  ;; One message per call: llhttp always stops behind it, and JavaScript decides whether there will be a next one.
  (func (export "onMessageComplete") (param $parser i32) (result i32)
    (local $c i32) (local $record i32) (local $left i32)
    (local.set $c (i32.const 0x20000))
    (local.set $left (i32.load offset=16 (local.get $c)))
    (local.set $record (i32.load offset=4 (local.get $c)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (local.set $record (i32.sub (local.get $record) (i32.const 16)))
        (call $trim (local.get $record))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
    (i32.store offset=20 (local.get $c) (i32.const 3))
    (i32.const 21))

  ;; Takes white space from the end of a value (RFC 9112 §5.1); llhttp has taken it from the front.
  (func $trim (param $record i32)
    (local $start i32) (local $size i32) (local $byte i32)
    (local.set $start (i32.add (i32.load (i32.const 0x20000)) (i32.load offset=8 (local.get $record))))
    (local.set $size (i32.load offset=12 (local.get $record)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $size)))
        (local.set $byte (i32.load8_u (i32.sub (i32.add (local.get $start) (local.get $size)) (i32.const 1))))
        (br_if $done
          (i32.and (i32.ne (local.get $byte) (i32.const 0x20)) (i32.ne (local.get $byte) (i32.const 0x09))))
        (local.set $size (i32.sub (local.get $size) (i32.const 1)))
        (br $next)))
    (i32.store offset=12 (local.get $record) (local.get $size)))

  ;; Goes once over the fields of a complete head: trims values, knows the names that decide framing, looks at Host.
  ;; Answers bits of `seen`; those of the first line come from elsewhere:
  ;;   1 host   2 host again   4 content-length   8 transfer-encoding   16 transfer-encoding again
  ;;   32 expect   64 upgrade field   128 llhttp found an upgrade asked for   256 host needs a closer look
  ;;   512 target (or reason) has a byte it may not have   1024 protocol is not HTTP   2048 target starts with "/"
  ;;   4096 connection   8192 expect again   16384 upgrade again   32768 something before the method   65536 a space
  ;;   too many before the target   131072 connection needs a closer look
  (func $finish-head (result i32)
    (local $c i32) (local $base i32) (local $record i32) (local $end i32) (local $size i32) (local $name i32)
    (local $seen i32) (local $word i32) (local $raw i32)
    (local.set $c (i32.const 0x20000))
    (local.set $base (i32.load (local.get $c)))
    (local.set $end (i32.load offset=4 (local.get $c)))
    (local.set $record
      (i32.sub (local.get $end) (i32.shl (i32.load offset=8 (local.get $c)) (i32.const 4))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $record) (local.get $end)))
        (local.set $raw (i32.load offset=12 (local.get $record)))
        (call $trim (local.get $record))
        (local.set $size (i32.load offset=4 (local.get $record)))
        (local.set $name (i32.add (local.get $base) (i32.load (local.get $record))))
        ;; Bit 5 set makes a letter of a token small, and no other token character becomes a letter by it.
        (local.set $word (i32.or (i32.load align=1 (local.get $name)) (i32.const 0x20202020)))
        (block $known
          (if (i32.eq (local.get $size) (i32.const 4))
            (then
              (br_if $known (i32.ne (local.get $word) (i32.const 0x74736f68))) ;; host
              (i32.store offset=4 (local.get $record) (i32.const 0x01000004))
              (i32.store offset=52 (local.get $c) (local.get $record))
              (local.set $seen
                (i32.or
                  (local.get $seen)
                  (i32.or
                    (i32.shl (i32.and (local.get $seen) (i32.const 1)) (i32.const 1))
                    (i32.or (i32.const 1) (call $look-at-host (local.get $record))))))
              (br $known)))
          (if (i32.eq (local.get $size) (i32.const 10))
            (then
              (br_if $known (i32.ne (local.get $word) (i32.const 0x6e6e6f63))) ;; conn ecti on
              (br_if $known (call $differs (local.get $name) (i32.const 4) (i32.const 0x69746365)))
              (br_if $known (call $differs (local.get $name) (i32.const 6) (i32.const 0x6e6f6974)))
              (i32.store offset=4 (local.get $record) (i32.const 0x0200000a))
              (local.set $seen (i32.or (local.get $seen) (i32.const 4096)))
              ;; llhttp does not know an option with a tab beside it; close and keep-alive alone leave no room for one.
              (local.set $word (i32.load offset=12 (local.get $record)))
              (if (i32.or
                    (i32.ne (local.get $raw) (local.get $word))
                    (i32.and
                      (i32.ne (local.get $word) (i32.const 5))
                      (i32.ne (local.get $word) (i32.const 10))))
                (then (local.set $seen (i32.or (local.get $seen) (i32.const 131072)))))
              (br $known)))
          (if (i32.eq (local.get $size) (i32.const 14))
            (then
              (br_if $known (i32.ne (local.get $word) (i32.const 0x746e6f63))) ;; cont ent- leng th
              (br_if $known (call $differs (local.get $name) (i32.const 4) (i32.const 0x2d746e65)))
              (br_if $known (call $differs (local.get $name) (i32.const 8) (i32.const 0x676e656c)))
              (br_if $known (call $differs (local.get $name) (i32.const 10) (i32.const 0x6874676e)))
              (i32.store offset=4 (local.get $record) (i32.const 0x0300000e))
              (local.set $seen (i32.or (local.get $seen) (i32.const 4)))
              (br $known)))
          (if (i32.eq (local.get $size) (i32.const 17))
            (then
              (br_if $known (i32.ne (local.get $word) (i32.const 0x6e617274))) ;; tran sfer -enc odin g
              (br_if $known (call $differs (local.get $name) (i32.const 4) (i32.const 0x72656673)))
              (br_if $known (call $differs (local.get $name) (i32.const 8) (i32.const 0x636e652d)))
              (br_if $known (call $differs (local.get $name) (i32.const 12) (i32.const 0x6e69646f)))
              (br_if $known (call $differs (local.get $name) (i32.const 13) (i32.const 0x676e6964)))
              (i32.store offset=4 (local.get $record) (i32.const 0x04000011))
              (i32.store offset=64 (local.get $c) (local.get $record))
              (local.set $seen
                (i32.or
                  (i32.or (local.get $seen) (i32.const 8))
                  (i32.shl (i32.and (local.get $seen) (i32.const 8)) (i32.const 1))))
              (br $known)))
          (if (i32.eq (local.get $size) (i32.const 6))
            (then
              (br_if $known (i32.ne (local.get $word) (i32.const 0x65707865))) ;; expe ct
              (br_if $known (call $differs (local.get $name) (i32.const 2) (i32.const 0x74636570)))
              (i32.store offset=4 (local.get $record) (i32.const 0x05000006))
              (i32.store offset=56 (local.get $c) (local.get $record))
              (local.set $seen
                (i32.or
                  (i32.or (local.get $seen) (i32.const 32))
                  (i32.shl (i32.and (local.get $seen) (i32.const 32)) (i32.const 8))))
              (br $known)))
          (if (i32.eq (local.get $size) (i32.const 7))
            (then
              (br_if $known (i32.ne (local.get $word) (i32.const 0x72677075))) ;; upgr ade
              (br_if $known (call $differs (local.get $name) (i32.const 3) (i32.const 0x65646172)))
              (i32.store offset=4 (local.get $record) (i32.const 0x06000007))
              (i32.store offset=60 (local.get $c) (local.get $record))
              (local.set $seen
                (i32.or
                  (i32.or (local.get $seen) (i32.const 64))
                  (i32.shl (i32.and (local.get $seen) (i32.const 64)) (i32.const 8)))))))
        (local.set $record (i32.add (local.get $record) (i32.const 16)))
        (br $next)))
    (local.get $seen))

  ;; 1 when the four bytes at name + offset are not those of `word`, letters compared without case.
  (func $differs (param $name i32) (param $offset i32) (param $word i32) (result i32)
    (i32.ne
      (i32.or (i32.load align=1 (i32.add (local.get $name) (local.get $offset))) (i32.const 0x20202020))
      (local.get $word)))

  ;; 0 when a Host value is letters, digits, "-", "." and "_" with at most a port up to 65535 behind; else 256,
  ;; and JavaScript judges the rarer forms.
  (func $look-at-host (param $record i32) (result i32)
    (local $at i32) (local $end i32) (local $byte i32) (local $port i32) (local $number i32)
    (local.set $at (i32.add (i32.load (i32.const 0x20000)) (i32.load offset=8 (local.get $record))))
    (local.set $end (i32.add (local.get $at) (i32.load offset=12 (local.get $record))))
    (if (i32.eq (local.get $at) (local.get $end)) (then (return (i32.const 256))))
    (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 0x3a)) (then (return (i32.const 256))))
    (loop $next
      (if (i32.lt_u (local.get $at) (local.get $end))
        (then
          (local.set $byte (i32.load8_u (local.get $at)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          ;; `port` counts the colon and what is behind it.
          (if (local.get $port)
            (then
              (local.set $port (i32.add (local.get $port) (i32.const 1)))
              (local.set $number
                (i32.add
                  (i32.mul (local.get $number) (i32.const 10))
                  (i32.sub (local.get $byte) (i32.const 0x30))))
              (br_if $next
                (i32.and
                  (i32.lt_u (i32.sub (local.get $byte) (i32.const 0x30)) (i32.const 10))
                  (i32.and
                    (i32.lt_u (local.get $port) (i32.const 7))
                    (i32.lt_u (local.get $number) (i32.const 65536)))))
              (return (i32.const 256))))
          (br_if $next (i32.lt_u (i32.sub (local.get $byte) (i32.const 0x30)) (i32.const 10)))
          (br_if $next
            (i32.lt_u (i32.sub (i32.or (local.get $byte) (i32.const 0x20)) (i32.const 0x61)) (i32.const 26)))
          (br_if $next (i32.lt_u (i32.sub (local.get $byte) (i32.const 0x2d)) (i32.const 2)))
          (br_if $next (i32.eq (local.get $byte) (i32.const 0x5f)))
          (local.set $port (i32.eq (local.get $byte) (i32.const 0x3a)))
          (br_if $next (local.get $port))
          (return (i32.const 256)))))
    (i32.const 0))

  ;; Target bits of `seen`. Allowed bytes are those of RFC 3986 and the ones browsers leave as they are: every visible
  ;; character but the quotation mark, "#", "<" and ">". Sixteen bytes at a time; what is read behind the end is masked.
  (func $look-at-target (result i32)
    (local $c i32) (local $at i32) (local $left i32) (local $v v128) (local $bad i32) (local $seen i32)
    (local.set $c (i32.const 0x20000))
    (local.set $at (i32.add (i32.load (local.get $c)) (i32.load offset=28 (local.get $c))))
    (local.set $left (i32.load offset=32 (local.get $c)))
    ;; llhttp skips CR and LF in any mixture before the method, and spaces between method and target.
    (if (i32.lt_u (i32.load8_u (i32.load (local.get $c))) (i32.const 0x21))
      (then (local.set $seen (i32.const 32768))))
    (if (i32.eq (i32.load8_u (i32.sub (local.get $at) (i32.const 2))) (i32.const 0x20))
      (then (local.set $seen (i32.or (local.get $seen) (i32.const 65536)))))
    (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 0x2f))
      (then (local.set $seen (i32.or (local.get $seen) (i32.const 2048)))))
    ;; " HTTP" has to follow; llhttp also takes RTSP and ICE.
    (if (i32.ne
          (i32.load offset=1 align=1 (i32.add (local.get $at) (local.get $left)))
          (i32.const 0x50545448))
      (then (local.set $seen (i32.or (local.get $seen) (i32.const 1024)))))
    (loop $next
      (local.set $v (v128.load align=1 (local.get $at)))
      (local.set $bad
        (i8x16.bitmask
          (v128.or
            (v128.or
              (i8x16.lt_u (local.get $v) (i8x16.splat (i32.const 0x21)))
              (i8x16.gt_u (local.get $v) (i8x16.splat (i32.const 0x7e))))
            (v128.or
              (v128.or
                (i8x16.eq (local.get $v) (i8x16.splat (i32.const 0x22)))
                (i8x16.eq (local.get $v) (i8x16.splat (i32.const 0x23))))
              (v128.or
                (i8x16.eq (local.get $v) (i8x16.splat (i32.const 0x3c)))
                (i8x16.eq (local.get $v) (i8x16.splat (i32.const 0x3e))))))))
      (if (i32.lt_u (local.get $left) (i32.const 16))
        (then
          (local.set $bad
            (i32.and
              (local.get $bad)
              (i32.sub (i32.shl (i32.const 1) (local.get $left)) (i32.const 1))))))
      (if (local.get $bad) (then (return (i32.or (local.get $seen) (i32.const 512)))))
      (if (i32.gt_u (local.get $left) (i32.const 16))
        (then
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (local.set $left (i32.sub (local.get $left) (i32.const 16)))
          (br $next))))
    (local.get $seen))

  ;; Reason bits of `seen`: HTAB, SP, visible characters and those above 127 are allowed (RFC 9112 §4).
  (func $look-at-reason (result i32)
    (local $at i32) (local $end i32) (local $byte i32)
    (local.set $at (i32.add (i32.load (i32.const 0x20000)) (i32.load (i32.const 0x2001c))))
    (local.set $end (i32.add (local.get $at) (i32.load (i32.const 0x20020))))
    (loop $next
      (if (i32.lt_u (local.get $at) (local.get $end))
        (then
          (local.set $byte (i32.load8_u (local.get $at)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br_if $next (i32.eq (local.get $byte) (i32.const 0x09)))
          (br_if $next
            (i32.and
              (i32.ge_u (local.get $byte) (i32.const 0x20))
              (i32.ne (local.get $byte) (i32.const 0x7f))))
          (return (i32.const 512)))))
    (i32.const 0))

  ;; Copies `size` bytes, sixteen at a time: up to 15 bytes behind the end of `to` are overwritten, so the caller leaves
  ;; room. Cheaper than copyWithin for a response head.
  (func (export "copy") (param $to i32) (param $from i32) (param $size i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $from) (local.get $size)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
        (v128.store align=1 (local.get $to) (v128.load align=1 (local.get $from)))
        (local.set $to (i32.add (local.get $to) (i32.const 16)))
        (local.set $from (i32.add (local.get $from) (i32.const 16)))
        (br $next))))

  ;; A hash of up to 64 bytes at `at`, of as many whole eights of them as `size` has.
  (func (export "hash") (param $at i32) (param $size i32) (result i32)
    (local $end i32) (local $hash i64)
    (local.set $end
      (i32.add
        (local.get $at)
        (i32.and (select (local.get $size) (i32.const 64) (i32.lt_u (local.get $size) (i32.const 64))) (i32.const -8))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $hash
          (i64.mul
            (i64.xor (local.get $hash) (i64.load align=1 (local.get $at)))
            (i64.const 0x9e3779b97f4a7c15)))
        (local.set $hash (i64.xor (local.get $hash) (i64.shr_u (local.get $hash) (i64.const 32))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br $next)))
    (i32.wrap_i64 (local.get $hash)))

  ;; 1 where the `size` bytes (16 at least) at `a` and at `b` are the same. The last sixteen may be looked at twice.
  (func (export "same") (param $a i32) (param $b i32) (param $size i32) (result i32)
    (local $last i32) (local $shift i32)
    (local.set $last (i32.sub (i32.add (local.get $a) (local.get $size)) (i32.const 16)))
    (local.set $shift (i32.sub (local.get $b) (local.get $a)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $a) (local.get $last)))
        (if (v128.any_true
              (v128.xor
                (v128.load align=1 (local.get $a))
                (v128.load align=1 (i32.add (local.get $a) (local.get $shift)))))
          (then (return (i32.const 0))))
        (local.set $a (i32.add (local.get $a) (i32.const 16)))
        (br $next)))
    (i32.eqz
      (v128.any_true
        (v128.xor
          (v128.load align=1 (local.get $last))
          (v128.load align=1 (i32.add (local.get $last) (local.get $shift))))))))
