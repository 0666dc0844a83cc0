extension ByteWriter {
  /// Writes a client's text for a place between quotes, as in a line of a log: quotes of its own become `%22`, so that none ends
  /// the place. No more than `bytesMax` bytes are written, nor more than fit: the rest of the text is left out.
  public mutating func append(quoted text: ByteView, bytesMax: Int) {
    var room = min(bytesMax, remaining)
    var start = 0
    var index = 0
    while index < text.count && room > 0 {
      if text[index] != ASCII.quote {
        index &+= 1
        room &-= 1
        continue
      }
      append(text.slice(start, index))
      if room < 3 { return }
      append("%22")
      room &-= 3
      index &+= 1
      start = index
    }
    append(text.slice(start, index))
  }
}
