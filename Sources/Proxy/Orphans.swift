internal import CReactor

/// Processes whose parent has ended.
public enum Orphans {
  /// From now on those that children of this process have started become its own children: so nodes that were handed over to
  /// another process are still seen to end (prctl(2), PR_SET_CHILD_SUBREAPER).
  public static func adopt() { _ = cr_adopt_orphans() }
}
