// Scans that look at eight bytes at a time. In each word the lowest marked byte is exact; marks above it may be false,
// because a subtraction borrows only upwards, so only the lowest one is ever used.

@usableFromInline let everyByte: UInt64 = 0x0101_0101_0101_0101
@usableFromInline let everyHighBit: UInt64 = 0x8080_8080_8080_8080

/// The eight bytes of a literal as a word, comparable to `ByteView.word(at:)`; shorter names are padded with NUL.
@inlinable @inline(__always)
func packed(_ literal: StaticString) -> UInt64 {
  precondition(literal.utf8CodeUnitCount == 8)
  return UInt64(littleEndian: UnsafeRawPointer(literal.utf8Start).loadUnaligned(as: UInt64.self))
}

/// Lower case of the letters of a word of token characters; right only for comparing with names of letters and hyphens.
@inlinable @inline(__always)
func lowerCased(_ word: UInt64) -> UInt64 { word | (0x01010101_01010101 &* 0x20) }

/// The index of the lowest marked byte.
@inline(__always)
private func firstMark(_ marks: UInt64) -> Int { marks.trailingZeroBitCount &>> 3 }

/// Marks bytes smaller than `limit` (1 to 128).
@inline(__always)
private func marksBelow(_ word: UInt64, _ limit: UInt64) -> UInt64 {
  (word &- (0x0101_0101_0101_0101 &* limit)) & ~word & 0x8080_8080_8080_8080
}

/// Marks bytes equal to `byte`.
@inline(__always)
private func marksEqual(_ word: UInt64, _ byte: UInt64) -> UInt64 {
  let difference = word ^ (0x0101_0101_0101_0101 &* byte)
  return (difference &- 0x0101_0101_0101_0101) & ~difference & 0x8080_8080_8080_8080
}

/// How many of the sixteen bytes at `bytes` come before the first one that is marked with ones: 16, none is marked.
@inline(__always)
private func unmarked(_ marks: SIMDMask<SIMD16<Int8>>) -> Int {
  let words = unsafeBitCast(marks, to: SIMD2<UInt64>.self)
  let low = words[0]
  if low != 0 { return low.trailingZeroBitCount &>> 3 }
  return 8 &+ (words[1].trailingZeroBitCount &>> 3)
}

/// How many of the sixteen bytes come before the first control character.
@inline(__always)
private func textCount(_ bytes: SIMD16<UInt8>) -> Int {
  let below: SIMDMask<SIMD16<Int8>> = bytes .< SIMD16<UInt8>(repeating: 0x20)
  let delete: SIMDMask<SIMD16<Int8>> = bytes .== SIMD16<UInt8>(repeating: 0x7F)
  return unmarked(below .| delete)
}

/// How many of the sixteen bytes come before the first that is neither letter nor hyphen.
@inline(__always)
private func wordCount(_ bytes: SIMD16<UInt8>) -> Int {
  let folded: SIMD16<UInt8> = bytes | SIMD16<UInt8>(repeating: 0x20)
  let fromA: SIMD16<UInt8> = folded &- SIMD16<UInt8>(repeating: 0x61)
  let letters: SIMDMask<SIMD16<Int8>> = fromA .< SIMD16<UInt8>(repeating: 26)
  let hyphens: SIMDMask<SIMD16<Int8>> = bytes .== SIMD16<UInt8>(repeating: 0x2D)
  return unmarked(.!(letters .| hyphens))
}

/// Marks control characters.
@inline(__always)
private func marksControl(_ word: UInt64) -> UInt64 { marksBelow(word, 0x20) | marksEqual(word, 0x7F) }

/// Marks what is neither letter nor hyphen: those are told eight at a time, anything else is looked at alone.
@inline(__always)
private func marksOthers(_ word: UInt64) -> UInt64 {
  let low = word & 0x7F7F_7F7F_7F7F_7F7F
  let folded = low | 0x2020_2020_2020_2020
  let letters = (folded &+ 0x1F1F_1F1F_1F1F_1F1F) & ~(folded &+ 0x0505_0505_0505_0505)
  let hyphens = ~((low ^ 0x2D2D_2D2D_2D2D_2D2D) &+ 0x7F7F_7F7F_7F7F_7F7F)
  return ~((letters | hyphens) & ~word) & 0x8080_8080_8080_8080
}

/// Marks what is neither letter, digit, hyphen nor dot: most of what host names are made of.
@inline(__always)
private func marksNoHostName(_ word: UInt64) -> UInt64 {
  let low = word & 0x7F7F_7F7F_7F7F_7F7F
  let folded = low | 0x2020_2020_2020_2020
  let letters = (folded &+ 0x1F1F_1F1F_1F1F_1F1F) & ~(folded &+ 0x0505_0505_0505_0505)
  // From the hyphen to the nine lie all others that are meant, and the slash, which is not.
  let others = (low &+ 0x5353_5353_5353_5353) & ~(low &+ 0x4646_4646_4646_4646)
  let slashes = ~((low ^ 0x2F2F_2F2F_2F2F_2F2F) &+ 0x7F7F_7F7F_7F7F_7F7F)
  return ~((letters | (others & ~slashes)) & ~word) & 0x8080_8080_8080_8080
}

/// Scans over one view up to `end`, which is at most the view's count.
@usableFromInline
struct ByteScanning {
  let view: ByteView
  let end: Int

  @inline(__always)
  init(_ view: ByteView, end: Int) {
    precondition(end <= view.count)
    self.view = view
    self.end = end
  }

  /// Eight bytes at `index`. The loop that asks has made sure of `index <= end - 8`, and of a start not below 0: that is
  /// the bounds check, made once.
  @inline(__always)
  private func word(_ index: Int) -> UInt64 {
    assert(index >= 0 && index <= end &- 8)
    return UInt64(littleEndian: UnsafeRawPointer(view.base + index).loadUnaligned(as: UInt64.self))
  }

  /// Sixteen bytes at `index`, as `word`.
  @inline(__always)
  private func sixteen(_ index: Int) -> SIMD16<UInt8> {
    assert(index >= 0 && index <= end &- 16)
    return UnsafeRawPointer(view.base + index).loadUnaligned(as: SIMD16<UInt8>.self)
  }

  /// The colon behind the field name that begins at `start`; -1: there is no name with a colon behind it, or not yet.
  @inline(__always)
  func nameEnd(from start: Int) -> Int {
    precondition(start >= 0)
    var index = start
    while index <= end &- 16 {
      let step = wordCount(sixteen(index))
      index &+= step
      if step == 16 { continue }
      let byte = view.base[index]
      if byte == ASCII.colon { return index == start ? -1 : index }
      if !ASCII.isToken(byte) { return -1 }
      index &+= 1
    }
    while index < end {
      let byte = view.base[index]
      if byte == ASCII.colon { return index == start ? -1 : index }
      if !ASCII.isToken(byte) { return -1 }
      index &+= 1
    }
    return -1
  }

  /// The first control character other than HTAB at or after `start`, else `end`: where a field value stops
  /// (RFC 9110 5.5).
  @inline(__always)
  func fieldValueEnd(from start: Int) -> Int {
    precondition(start >= 0)
    var index = start
    while index <= end &- 16 {
      let step = textCount(sixteen(index))
      index &+= step
      if step == 16 { continue }
      if view.base[index] != ASCII.tab { return index }
      index &+= 1
    }
    while index <= end &- 8 {
      let marks = marksControl(word(index))
      if marks == 0 {
        index &+= 8
        continue
      }
      index &+= firstMark(marks)
      if view.base[index] != ASCII.tab { return index }
      index &+= 1
    }
    while index < end {
      let byte = view.base[index]
      if (byte < 0x20 && byte != ASCII.tab) || byte == 0x7F { return index }
      index &+= 1
    }
    return index
  }

  /// The first byte at or after `start` that is no token character (RFC 9110 5.6.2), else `end`.
  @inline(__always)
  func tokenEnd(from start: Int) -> Int {
    precondition(start >= 0)
    var index = start
    while index <= end &- 8 {
      let others = marksOthers(word(index))
      if others == 0 {
        index &+= 8
        continue
      }
      index &+= firstMark(others)
      // By far the most names end here.
      if view[index] == ASCII.colon { return index }
      if !ASCII.isToken(view[index]) { return index }
      index &+= 1
    }
    while index < end {
      if !ASCII.isToken(view[index]) { return index }
      index &+= 1
    }
    return index
  }

  /// Where the letters, digits, hyphens and dots at `start` end, as far as whole groups of eight tell: from there on each byte is to be
  /// looked at.
  @inline(__always)
  func hostNameEnd(from start: Int) -> Int {
    precondition(start >= 0)
    var index = start
    while index <= end &- 8 {
      let others = marksNoHostName(word(index))
      if others != 0 { return index &+ firstMark(others) }
      index &+= 8
    }
    return index
  }

  /// The first byte at or after `start` that cannot stand in a request target: anything but visible ASCII, and `#`.
  @inline(__always)
  func targetEnd(from start: Int) -> Int {
    precondition(start >= 0)
    var index = start
    while index <= end &- 8 {
      let word = self.word(index)
      let marks =
        marksBelow(word, 0x21) | marksEqual(word, 0x7F) | marksEqual(word, UInt64(ASCII.numberSign))
        | (word & 0x8080_8080_8080_8080)
      if marks == 0 {
        index &+= 8
        continue
      }
      return index &+ firstMark(marks)
    }
    while index < end {
      let byte = view[index]
      if byte <= 0x20 || byte >= 0x7F || byte == ASCII.numberSign { return index }
      index &+= 1
    }
    return index
  }

  /// The first `byte` at or after `start`, else `end`.
  @inline(__always)
  func firstIndex(of byte: UInt8, from start: Int) -> Int {
    precondition(start >= 0)
    var index = start
    while index <= end &- 8 {
      let marks = marksEqual(word(index), UInt64(byte))
      if marks != 0 { return index &+ firstMark(marks) }
      index &+= 8
    }
    while index < end && view.base[index] != byte { index &+= 1 }
    return index
  }
}
