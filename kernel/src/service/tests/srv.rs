//! `srv`, `dist`, `stat`: a node without services in WebAssembly.

use alloc::format;

use super::bench::error;
use super::{Bench, GUARDED, OTHER_ID, check_errors, check_values};

#[test]
fn lists_are_empty() {
    check_values(&[
        ("srv.list", "[]", "[]"),
        ("srv.resolve_alias_opt", r#"["registry"]"#, "[]"),
        ("dist.list_modules", "[]", "[]"),
        ("dist.list_blueprints", "[]", "[]"),
    ]);
}

#[test]
fn what_is_looked_up_is_not_found() {
    let not_found = "Error: Service with id 'x' not found on Host\nNoSuchService(\"x\", Host)";
    for name in ["srv.get_interface", "srv.info", "stat.service_memory", "stat.service_stat"] {
        check_errors(&[(name, r#"["x"]"#, not_found)]);
    }
    check_errors(&[
        (
            "srv.resolve_alias",
            r#"["x"]"#,
            "Error: Service with alias 'x' is not found on worker 'Host'\nNoSuchAlias(\"x\", Host)",
        ),
        (
            "dist.get_blueprint",
            r#"["x"]"#,
            "Error: Blueprint 'x' wasn't found\nBlueprintNotFound { id: \"x\" }",
        ),
        ("srv.remove", r#"["x"]"#, not_found),
        ("srv.add_alias", r#"["alias","x"]"#, not_found),
        (
            "srv.add_alias",
            r#"["self","x"]"#,
            "Error: Cannot add alias 'self' because it is reserved\nForbiddenAlias(\"self\")",
        ),
        (
            "srv.create",
            r#"["x"]"#,
            "Error: Blueprint 'x' wasn't found\nModuleError(BlueprintNotFound { id: \"x\" })",
        ),
        (
            "dist.add_blueprint",
            r#"["{}"]"#,
            "Service with id 'dist' not found (function add_blueprint)",
        ),
    ]);
}

#[test]
fn names_are_required() {
    for (name, field) in [
        ("srv.get_interface", "service_id"),
        ("srv.info", "service_id_or_alias"),
        ("srv.resolve_alias", "alias"),
        ("srv.resolve_alias_opt", "alias"),
        ("srv.create", "blueprint_id"),
        ("srv.add_alias", "alias"),
        ("srv.remove", "service_id_or_alias"),
        ("dist.get_blueprint", "blueprint_id"),
        ("dist.add_module", "module_bytes"),
        ("dist.add_module_from_vault", "module_path"),
        ("dist.add_module_bytes_from_vault", "module_name"),
        ("dist.add_blueprint", "blueprint"),
        ("stat.service_memory", "service_id"),
        ("stat.service_stat", "service_id"),
    ] {
        let missing = format!(
            "Error: Field '{field}' is missing from args to call_service\nMissingField(\"{field}\")"
        );
        check_errors(&[(name, "[]", &missing)]);
        let wrong = error(&Bench::new().call(name, "[1]"));
        assert!(wrong.contains(&format!("field '{field}': expected String, got 1")), "{wrong}");
    }
}

#[test]
fn strangers_change_nothing() {
    let bench = Bench::new();
    for (name, arguments) in [
        ("srv.create", r#"["x"]"#),
        ("srv.add_alias", r#"["x","y"]"#),
        ("srv.remove", r#"["x"]"#),
        ("dist.add_module", r#"["",{"name":"x"}]"#),
        ("dist.add_module_from_vault", r#"["x",{"name":"x"}]"#),
        ("dist.add_module_bytes_from_vault", r#"["x","y"]"#),
        ("dist.add_blueprint", r#"["{}"]"#),
    ] {
        assert_eq!(error(&bench.call_of_stranger(OTHER_ID, name, arguments)), GUARDED, "{name}");
    }
}
