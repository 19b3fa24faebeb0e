//! `math` and `cmp`.

use super::{check_errors, check_values};

#[test]
fn math_and_cmp_give_the_values_of_the_reference() {
    check_values(&[
        ("math.add", "[2,3]", "5"),
        ("math.sub", "[2,3]", "-1"),
        ("math.sub", "[0,9223372036854775807]", "-9223372036854775807"),
        ("math.mul", "[-2,3]", "-6"),
        ("math.div", "[-7,2]", "-3"),
        ("math.div", "[7,-2]", "-3"),
        ("math.rem", "[-7,2]", "-1"),
        ("math.rem", "[7,-2]", "1"),
        ("math.fmul", "[1.5,3]", "4"),
        ("math.fmul", "[-1.5,3]", "-5"),
        ("math.fmul", "[-0.1,1]", "-1"),
        ("math.fmul", "[2,3]", "6"),
        ("math.fmul", "[1e300,1e300]", "9223372036854775807"),
        ("math.fmul", "[1e300,-1e300]", "-9223372036854775808"),
        ("math.pow", "[2,10]", "1024"),
        ("math.pow", "[-3,3]", "-27"),
        ("math.pow", "[0,0]", "1"),
        ("math.pow", "[1,4294967295]", "1"),
        ("math.log", "[10,999]", "2"),
        ("math.log", "[10,1000]", "3"),
        ("math.log", "[2,1]", "0"),
        ("cmp.gt", "[2,1]", "true"),
        ("cmp.gt", "[2,2]", "false"),
        ("cmp.gte", "[2,2]", "true"),
        ("cmp.gte", "[1,2]", "false"),
        ("cmp.lt", "[1,2]", "true"),
        ("cmp.lt", "[2,2]", "false"),
        ("cmp.lte", "[2,2]", "true"),
        ("cmp.lte", "[3,2]", "false"),
        ("cmp.cmp", "[1,2]", "-1"),
        ("cmp.cmp", "[2,2]", "0"),
        ("cmp.cmp", "[3,2]", "1"),
        ("cmp.lt", "[-9223372036854775808,9223372036854775807]", "true"),
    ]);
}

#[test]
fn math_never_wraps() {
    check_errors(&[
        ("math.add", "[9223372036854775807,1]", "i64 add overflow"),
        ("math.add", "[-9223372036854775808,-1]", "i64 add overflow"),
        ("math.sub", "[-9223372036854775808,1]", "i64 add overflow"),
        ("math.sub", "[0,-9223372036854775808]", "i64 neg overflow"),
        ("math.sub", "[-1,-9223372036854775808]", "i64 neg overflow"),
        ("math.mul", "[9223372036854775807,2]", "i64 mul overflow"),
        ("math.mul", "[-9223372036854775808,-1]", "i64 mul overflow"),
        ("math.div", "[1,0]", "i64 div overflow"),
        ("math.div", "[-9223372036854775808,-1]", "i64 div overflow"),
        ("math.rem", "[1,0]", "i64 rem overflow"),
        ("math.rem", "[-9223372036854775808,-1]", "i64 rem overflow"),
        ("math.pow", "[10,19]", "i64 pow overflow"),
        ("math.pow", "[2,4294967295]", "i64 pow overflow"),
        ("math.log", "[1,5]", "i64 log overflow"),
        ("math.log", "[10,0]", "i64 log overflow"),
        ("math.log", "[-2,8]", "i64 log overflow"),
    ]);
}

#[test]
fn arguments_that_are_no_two_integers_are_refused() {
    for name in [
        "math.add",
        "math.sub",
        "math.mul",
        "math.div",
        "math.rem",
        "math.pow",
        "math.log",
        "math.fmul",
        "cmp.gt",
        "cmp.gte",
        "cmp.lt",
        "cmp.lte",
        "cmp.cmp",
    ] {
        check_errors(&[
            (name, "[]", "expected 2 arguments, got 0"),
            (name, "[1]", "expected 2 arguments, got 1"),
            (name, "[1,2,3]", "expected 2 arguments, got 3"),
        ]);
    }
    check_errors(&[
        (
            "math.add",
            "[1,1.0]",
            "Error: Error deserializing field 'y': expected i64, got 1.0\n\
             DeserializeError { field: \"y\", value: Number(1.0), expected_type: \"i64\" }",
        ),
        (
            "math.add",
            "[9223372036854775808,1]",
            "Error: Error deserializing field 'x': expected i64, got 9223372036854775808\n\
             DeserializeError { field: \"x\", value: Number(9223372036854775808), \
             expected_type: \"i64\" }",
        ),
        (
            "math.pow",
            "[2,-1]",
            "Error: Error deserializing field 'y': expected u32, got -1\n\
             DeserializeError { field: \"y\", value: Number(-1), expected_type: \"u32\" }",
        ),
        (
            "math.fmul",
            "[null,1]",
            "Error: Error deserializing field 'x': expected f64, got null\n\
             DeserializeError { field: \"x\", value: Null, expected_type: \"f64\" }",
        ),
        (
            "cmp.gt",
            r#"["1",1]"#,
            "Error: Error deserializing field 'x': expected i64, got \"1\"\n\
             DeserializeError { field: \"x\", value: String(\"1\"), expected_type: \"i64\" }",
        ),
    ]);
}
