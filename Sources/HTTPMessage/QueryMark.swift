/// A parameter that a node of ours puts behind the query of a target, and another of ours takes off.
public enum QueryMark {
  /// A target without the mark at the end of its query, as often as it stands there: what is left is the target as it was before the
  /// mark was put behind it. A mark that is no whole parameter of the query is none.
  ///
  /// - Parameter mark: not empty, without `?` and `&`.
  public static func removed(_ mark: StaticString, from target: ByteView) -> ByteView {
    let mark = ByteView(mark)
    var rest = target
    // Only the first question mark begins the query (RFC 3986 section 3.4); looked for when there may be something to remove.
    var query = -1
    while true {
      let start = rest.count - mark.count - 1
      guard start >= 0, rest.slice(start + 1, rest.count).equals(mark) else { return rest }
      if query < 0 {
        query = 0
        while query < target.count, target[query] != 0x3F { query += 1 }
      }
      guard start >= query, rest[start] == (start == query ? 0x3F : 0x26) else { return rest }
      rest = rest.slice(0, start)
    }
  }
}
