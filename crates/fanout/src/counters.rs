//! What is counted.

/// Makes a struct of figures for metrics, an enum that names those of them that only ever grow, and the
/// counters themselves: atomic, relaxed, one for each name of the enum.
///
/// The struct gets a `u64` for each name, before the fields that are written in it. Those say how things
/// stand; whoever asks for the figures fills them in. It derives `Default` and what a value wants.
///
/// ```
/// artesian_fanout::counters! {
///     /// The figures.
///     pub struct Stats {
///         /// Subscribers now.
///         pub subscribers: usize,
///     }
///
///     /// What only ever grows.
///     enum Counter in Counters {
///         /// Events that came.
///         Events => events,
///         /// Bytes of these.
///         EventBytes => event_bytes,
///     }
/// }
///
/// # fn main() {
/// let counters = Counters::default();
/// counters.add(Counter::Events);
/// counters.add_many(Counter::EventBytes, 20);
/// let stats = Stats { subscribers: 1, ..counters.read() };
/// assert_eq!(stats, Stats { events: 1, event_bytes: 20, subscribers: 1 });
/// # }
/// ```
#[macro_export]
macro_rules! counters {
    (
        $(#[$of_stats:meta])*
        $shown:vis struct $Stats:ident {
            $($(#[$of_now:meta])* $seen:vis $now:ident: $type:ty,)*
        }

        $(#[$of_counter:meta])*
        $used:vis enum $Counter:ident in $Counters:ident {
            $($(#[$of_name:meta])* $Name:ident => $name:ident,)*
        }
    ) => {
        $(#[$of_counter])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $used enum $Counter {
            $($(#[$of_name])* $Name,)*
        }

        $(#[$of_stats])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        $shown struct $Stats {
            $($(#[$of_name])* $shown $name: u64,)*
            $($(#[$of_now])* $seen $now: $type,)*
        }

        /// The counters.
        #[derive(Debug, Default)]
        $used struct $Counters {
            $($name: ::std::sync::atomic::AtomicU64,)*
        }

        impl $Counters {
            fn counter(&self, counter: $Counter) -> &::std::sync::atomic::AtomicU64 {
                match counter {
                    $($Counter::$Name => &self.$name,)*
                }
            }

            /// Counts one.
            $used fn add(&self, counter: $Counter) {
                self.add_many(counter, 1);
            }

            /// Counts several.
            $used fn add_many(&self, counter: $Counter, count: u64) {
                self.counter(counter).fetch_add(count, ::std::sync::atomic::Ordering::Relaxed);
            }

            /// The figures that only ever grow; the others are left at nothing.
            $used fn read(&self) -> $Stats {
                $Stats {
                    $($name: self.$name.load(::std::sync::atomic::Ordering::Relaxed),)*
                    ..$Stats::default()
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    counters! {
        /// Figures.
        struct Stats {
            now: usize,
        }

        enum Counter in Counters {
            First => first,
            Second => second,
        }
    }

    #[test]
    fn each_is_counted_by_itself() {
        let counters = Counters::default();
        counters.add(Counter::First);
        counters.add_many(Counter::Second, 5);
        counters.add_many(Counter::First, 2);
        let stats = Stats { now: 7, ..counters.read() };
        assert_eq!((stats.first, stats.second, stats.now), (3, 5, 7));
        assert_eq!(counters.read(), Stats { now: 0, ..stats });
    }
}
