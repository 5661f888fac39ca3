//! Documents as Go reads them into structs.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{MAX_ENTRIES, MAX_OS_FEATURES};
use crate::go::json::{GoObject, assign, deserialize_go_objects, folded, skip};

/// Structs with optional fields, each under its JSON key.
macro_rules! lenient {
    ($(#[$comment:meta])* $name:ident { $($field:ident: $type:ty = $key:literal),+ $(,)? }) => {
        $(#[$comment])*
        #[derive(Default)]
        pub(super) struct $name {
            $(pub(super) $field: Option<$type>,)+
        }

        impl GoObject for $name {
            fn field<'de, A: MapAccess<'de>>(
                &mut self,
                key: &str,
                map: &mut A,
            ) -> Result<(), A::Error> {
                match folded(key).as_str() {
                    $($key => assign::<A, $type, _>(&mut self.$field, map),)+
                    _ => skip(map),
                }
            }
        }
    };
}

lenient! {
    /// Any manifest or index. Lists that only count as present are skipped, not kept.
    RawDocument {
        schema_version: i64 = "schemaversion",
        media_type: String = "mediatype",
        manifests: Limited<Option<RawDescriptor>, MAX_ENTRIES> = "manifests",
        config: RawDescriptor = "config",
        layers: IgnoredAny = "layers",
        fs_layers: IgnoredAny = "fslayers",
        annotations: RawAnnotations = "annotations",
    }
}

lenient! {
    /// A descriptor. Its `urls` are not read: nothing may be fetched from them.
    RawDescriptor {
        media_type: String = "mediatype",
        digest: String = "digest",
        size: i64 = "size",
        platform: RawPlatform = "platform",
        annotations: RawAnnotations = "annotations",
    }
}

lenient! {
    /// The platform of an entry, and the part of a config that names one.
    RawPlatform {
        os: String = "os",
        architecture: String = "architecture",
        variant: String = "variant",
        os_version: String = "os.version",
        os_features: Limited<Option<String>, MAX_OS_FEATURES> = "os.features",
    }
}

lenient! {
    /// A page of the tags of a repository.
    RawTags {
        tags: Limited<Option<String>, MAX_ENTRIES> = "tags",
    }
}

/// The annotations that matter. Their keys are map keys, which Go compares exactly.
#[derive(Default)]
pub(super) struct RawAnnotations {
    /// CRI-O prefers entries marked so. Source: containers/image `manifest/oci_index.go`.
    pub(super) zstd: bool,
    // Source: <https://github.com/opencontainers/image-spec/blob/main/annotations.md>
    pub(super) revision: Option<String>,
    pub(super) created: Option<String>,
    pub(super) base: Option<String>,
}

impl GoObject for RawAnnotations {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let value = map.next_value::<Option<String>>()?;
        match key {
            "io.github.containers.compression.zstd" => {
                self.zstd = value.as_deref() == Some("true");
            }
            "org.opencontainers.image.revision" => self.revision = value,
            "org.opencontainers.image.created" => self.created = value,
            "org.opencontainers.image.base.name" => self.base = value,
            _ => {}
        }
        Ok(())
    }
}

deserialize_go_objects!(
    RawDocument,
    RawDescriptor,
    RawPlatform,
    RawAnnotations,
    RawTags
);

/// A list that keeps at most `MOST` items: what a registry claims never decides how much
/// memory we take.
pub(super) struct Limited<T, const MOST: usize> {
    pub(super) items: Vec<T>,
    pub(super) overflow: bool,
}

impl<T, const MOST: usize> Default for Limited<T, MOST> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            overflow: false,
        }
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Limited<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const MOST: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Items<T, MOST> {
            type Value = Limited<T, MOST>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut read = Limited::default();
                while read.items.len() < MOST {
                    let Some(item) = list.next_element()? else {
                        return Ok(read);
                    };
                    read.items.push(item);
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    read.overflow = true;
                }
                Ok(read)
            }
        }
        deserializer.deserialize_seq(Items(PhantomData))
    }
}
